func.func private @f() {
  call @f() : () -> ()
  return
}
func.func @k() attributes {tile.kerne, return = affine_map<() -> (1)>} {
  call @f() : () -> ()
  return
}
