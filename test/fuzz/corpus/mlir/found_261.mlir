func.func @columns(%x: !tile.view<8x64xf32> {tile.name = "x", tile.dims = [8, 64]}, %k: !tile.view<8x64xi32> {tile.name = "k", tile.dims = [8, 64]},
                   %y: !tile.view<64xi32> {tile.name = "y", tile.dims = [64]})
    attributes {tile.kernel, tile.grid = affine_map<() -> (1)>} {
  %c0 = arith.constant 0 : index
  %t = tile.load %x[%c0, %c0] along [0, 1] : !tile.view<8x64xf32> -> tensor<8x64xf32>
  %i = tile.load %k[%c0, %c0] along [0, 1] : !tile.view<8x64xi32> -> tensor<8x64xi32>
  %m, %j = tile.reduce (%t, %i) along 0 { ^bb0(%a: f32, %ai: i32, %b: f32, %bi: i32):
    %g = arith.cmpf ogt, %a, %b : f32
    %v = arith.select %g, %a, %b : f32
    %w = arith.select %g, %ai, %bi : i32
    tile.yield %v, %w : f32, i32 } : (tensor<8x64xf32>, tensor<8x64xi32>) -> (tensor<64xf32>, tensor<64xi32>)
  tile.store %j, %y[%c0] along [0] : tensor<64xi32>, !tile.view<64xi32>
  return
}
