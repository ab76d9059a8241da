func.func @f(%x0: tensor<4x8xf32>) {
  %r0 = tile.reduce (%x0) along 1 {
  ^bb0(%b0: f32, %b1: f32):
    tile.yield %b0 : f32
  %y = tile.program_id 1
  } : (tensor<4x8xf32>) -> (tensor<8xf32>)
  return
}
