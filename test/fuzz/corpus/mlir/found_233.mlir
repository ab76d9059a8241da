func.func @dense_constant(%x: !tile.view<?xf32> {tile.name = "x", tile.dims = ["M"]})
    attributes {tile.kernel, tile.grid = affine_map<()[M] -> (M)>, tile.grid_dims = ["M"]} {
  %c0 = arith.constant 0 : index
  %t = arith.constant dense<[1.0, 2.0, 3.0, 4.0]> : tensor<4xf32>
  tile.store %t, %x[%c0] along [0] : tensor<4xf32>, !tile.view<?xf32>
  return
}
