func.func @dead(%view: !tile.view<8x8xf32>, %c: tensor<8x8xf32>, %i: index) {
  %x = tile.load %view[%i, %i] along [0, 1] : !tile.view<8x8xf32> -> tensor<8x8xf32>
  %d = tile.dot %x, %x, %c : tensor<8x8xf32>, tensor<8x8xf32> -> tensor<8x8xf32>
  %s = tile.reduce (%d) along 0 {
  ^bb0(%a: f32, %b: f32):
    %m = arith.maximumf %a, %b : f32
    tile.yield %m : f32
  } : (tensor<8x8xf32>) -> (tensor<8xf32>)
  %id = tile.program_id 1
  tile.store %c, %view[%i, %i] along [0, 1] : tensor<8x8xf32>, !tile.view<8x8xf32>
  return
}
