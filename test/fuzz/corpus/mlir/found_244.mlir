func.func @window(%x: !tile.view<?x?xf32> {tile.name = "x", tile.dims = ["M", "N"]},
                  %y: !tile.view<?x?xf32> {tile.name = "y", tile.dims = ["M", "N"]}, %other: f32 {tile.name = "o"})
    attributes {tile.kernel, tile.grid = affine_map<() -> (1)>} {
  %i = tile.program_id 0
  %t = tile.load %x[%i, %i] along [0, 1] other(%other : f32) : !tile.view<?x?xf32> -> tensor<8x32xf32>
  tile.store %t, %y[%i, %i] along [0, 1] : tensor<8x32xf32>, !tile.view<?x?xf32>
  return
}
