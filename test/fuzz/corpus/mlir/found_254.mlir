func.func @unaligned(%x: !tile.view<?x?xbf16> {tile.name = "x", tile.dims = ["M", "K"]},
                     %y: !tile.view<?x?xf32> {tile.name = "y", tile.dims = ["M", "N"]})
    attributes {tile.kernel, tile.grid = affine_map<()[M] -> (M)>, tile.grid_dims = ["M"]} {
  %c0 = arith.constant 0 : index
  %zero = arith.constant dense<0.0> : tensor<64x64xf32>
  %a = tile.load %x[%c0, %c0] along [0, 1] : !tile.view<?x?xbf16> -> tensor<64x64xbf16>
  %d = tile.dot %a, %a, %zero : tensor<64x64xbf16>, tensor<64x64xbf16> -> tensor<64x64xf32>
  tile.store %d, %y[%c0, %c0] along [0, 1] : tensor<64x64xf32>, !tile.view<?x?xf32>
  return
}
