func.func @f(%x0: tensor<8xf32>) {
  %r0 = tile.scan (%x0) along 0 {
  ^bb0(%b0: f32, %b1: f32):
    tile.yield %b0 : f32
  } : (tensor<8xf32>) -> (tensor<8xi32>)
  return
}
