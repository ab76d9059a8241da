func.func @view_in_scf(%x: !tile.view<?xf32> {tile.name = "x", tile.dims = ["M"]})
    attributes {tile.kernel, tile.grid = affine_map<() -> (1)>} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %v = scf.for %i = %c0 to %c1 step %c1 iter_args(%q = %x) -> (!tile.view<?xf32>) {
    scf.yield %q : !tile.view<?xf32>
  }
  return
}
