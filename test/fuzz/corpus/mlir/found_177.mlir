func.func private @f() {
  call @f() : () -> ()
  return
}
func.func @k() attributes {tile.kernel, tile.grid = affine_map<() -> (1)>} {
  call @f() : () -> ()
  return
}
