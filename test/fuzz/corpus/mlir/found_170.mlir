func.func @f(%x0: tensor<6xf32>) {
  %r0 = tile.reduce (%x0) along 0 {
  ^bb0(%b0: f32, %b1: f32):
    tile.yield %b0 : f32
  } : (tensor<6xf32>) -> (f32)
  return
}
