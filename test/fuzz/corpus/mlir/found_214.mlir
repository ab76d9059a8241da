func.func private @f() {
  call @f() : () -> ()
  return
}
#row = #tile.layout<reg = [], lane = [1, 2, 4, 8, 16], warp = []>
func.func @k() attributes {tile.kernel, tile.grid = affine_map<() -> (1)>} {
  call @f() : () -> ()
  return
}
