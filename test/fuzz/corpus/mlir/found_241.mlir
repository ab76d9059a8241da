func.func @reshape(%x: !tile.view<16x32xf32> {tile.name = "x", tile.dims = [16, 32]}, %y: !tile.view<512xf32> {tile.name = "y", tile.dims = [512]})
    attributes {tile.kernel, tile.grid = affine_map<() -> (1)>} {
  %c0 = arith.constant 0 : index
  %t = tile.load %x[%c0, %c0] along [0, 1] : !tile.view<16x32xf32> -> tensor<16x32xf32>
  %u = tile.reshape %t : tensor<16x32xf32> -> tensor<512xf32>
  tile.store %u, %y[%c0] along [0] : tensor<512xf32>, !tile.view<512xf32>
  return
}
