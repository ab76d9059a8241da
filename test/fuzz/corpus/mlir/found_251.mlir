func.func @of_a_read(%x: !tile.view<64x64xf32, align = 16> {tile.name = "x", tile.dims = [64, 64]},
                     %y: !tile.view<16x64xf32, align = 16> {tile.name = "y", tile.dims = [16, 64]})
    attributes {tile.kernel, tile.grid = affine_map<() -> (1)>} {
  %c0 = arith.constant 0 : index
  %t = tile.load %x[%c0, %c0] along [0, 1] : !tile.view<64x64xf32, align = 16> -> tensor<64x64xf32>
  %b = tile.extract %t, [32, 0] : tensor<64x64xf32> -> tensor<16x64xf32>
  tile.store %b, %y[%c0, %c0] along [0, 1] : tensor<16x64xf32>, !tile.view<16x64xf32, align = 16>
  return
}
