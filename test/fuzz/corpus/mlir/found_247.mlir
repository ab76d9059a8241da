func.func @large(%x: !tile.view<?x?xf32, align = 16, max_bytes = 2147483648> {tile.name = "x", tile.dims = ["M", "N"]})
    attributes {tile.kernel, tile.grid = affine_map<()[M] -> (M)>, tile.grid_dims = ["M"]} {
  %c0 = arith.constant 0 : index
  %i = tile.program_id 0
  %t = tile.load %x[%i, %c0] along [1] : !tile.view<?x?xf32, align = 16, max_bytes = 2147483648> -> tensor<512xf32>
  tile.store %t, %x[%i, %c0] along [1] : tensor<512xf32>, !tile.view<?x?xf32, align = 16, max_bytes = 2147483648>
  return
}
