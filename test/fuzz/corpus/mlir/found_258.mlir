func.func @iota_twice(%x: !tile.view<?x?xi32, align = 16> {tile.name = "x", tile.dims = ["M", "N"]},
                      %y: !tile.view<?x?xi32, strides = [1, ?], align = 16> {tile.name = "y", tile.dims = ["M", "N"]})
    attributes {tile.kernel, tile.grid = affine_map<()[M] -> (M)>, tile.grid_dims = ["M"]} {
  %c0 = arith.constant 0 : index
  %i = tile.iota : tensor<64xi32>
  %e = tile.expand_dims %i, 0 : tensor<64xi32> -> tensor<1x64xi32>
  %b = tile.broadcast %e : tensor<1x64xi32> -> tensor<64x64xi32>
  tile.store %b, %x[%c0, %c0] along [0, 1] : tensor<64x64xi32>, !tile.view<?x?xi32, align = 16>
  tile.store %b, %y[%c0, %c0] along [0, 1] : tensor<64x64xi32>, !tile.view<?x?xi32, strides = [1, ?], align = 16>
  return
}
