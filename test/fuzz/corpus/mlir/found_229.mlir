func.func @indices(%x: !tile.view<16xi64> {tile.name = "x", tile.dims = [16]}) attributes {tile.kernel, tile.grid = affine_map<() -> (1)>} {
  %c0 = arith.constant 0 : index
  %t = tile.load %x[%c0] along [0] : !tile.view<16xi64> -> tensor<16xi64>
  %i = arith.index_cast %t : tensor<16xi64> to tensor<16xindex>
  return
}
