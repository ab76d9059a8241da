func.func @f(%x0: tensor<8xf32>, %x1: tensor<4xf32>) {
  %r0, %r1 = tile.scan (%x0, %x1) along 0 {
  ^bb0(%b0: f32, %b1: f32, %b2: f32, %b3: f32):
    } : (tensor<8xf32>, tensor<4xf32>) -> (tensor<8xf32>, tensor<4xf32>)
  return
}
