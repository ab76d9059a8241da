#l4 = #tile.layout<offset = [1, 2]>
func.func @async_along(%x: !tile.view<?xf32>, %s: !tile.shared<1 x [4], f32, #l4>, %i: index) {
  tile.async_load %x[%i] along [0] into %s : !tile.view<?xf32> -> !tile.shared<1 x [4], f32, #l4>
  return
}
