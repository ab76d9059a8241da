func.func @f(%x0: tensor<8xf32>) {
  %r0 = tile.reduce (%x0) along 0 {
  ^bb0(%b0: f32, %b1: i32):
    tile.yield %b0 : f32
  } : (tensor<8xf32>) -> (f32)
  return
}
