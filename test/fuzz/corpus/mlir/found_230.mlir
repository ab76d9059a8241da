func.func @scalar(%x: !tile.view<5xbf16> {tile.name = "x", tile.dims = [5]})
    attributes {tile.kernel, tile.grid = affine_map<() -> (1)>} {
  %i = tile.program_id 0
  %c1 = arith.constant 1 : index
  %t = tile.load %x[%i] along [] : !tile.view<5xbf16> -> bf16
  tile.store %t, %x[%c1] along [] : bf16, !tile.view<5xbf16>
  return
}
