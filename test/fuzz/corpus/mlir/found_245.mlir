func.func @column_major(%x: !tile.view<?x?xf32, strides = [1, ?], align = 16> {tile.name = "x", tile.dims = ["M", "N"]})
    attributes {tile.kernel, tile.grid = affine_map<()[M] -> (M)>, tile.grid_dims = ["M"]} {
  %c0 = arith.constant 0 : index
  %t = tile.load %x[%c0, %c0] along [0, 1] : !tile.view<?x?xf32, strides = [1, ?], align = 16> -> tensor<128x64xf32>
  tile.store %t, %x[%c0, %c0] along [0, 1] : tensor<128x64xf32>, !tile.view<?x?xf32, strides = [1, ?], align = 16>
  return
}
