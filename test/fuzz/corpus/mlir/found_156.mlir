func.func private @helper()
func.func @k() attributes {tile.kernel, tile.grid = affine_map<() -> (1)>} {
  call @helper() : () -> ()
  return
}
