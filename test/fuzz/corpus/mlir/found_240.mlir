func.func @eight_warps(%x: !tile.view<?x?xf32, align = 16> {tile.name = "x", tile.dims = ["M", "N"]})
    attributes {tile.kernel, tile.num_warps = 8 : i32, tile.grid = affine_map<()[M] -> (M)>, tile.grid_dims = ["M"]} {
  %c0 = arith.constant 0 : index
  %t = tile.load %x[%c0, %c0] along [0, 1] : !tile.view<?x?xf32, align = 16> -> tensor<16x128xf32>
  tile.store %t, %x[%c0, %c0] along [0, 1] : tensor<16x128xf32>, !tile.view<?x?xf32, align = 16>
  return
}
