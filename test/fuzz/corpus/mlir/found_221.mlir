#l16 = #tile.layout<offset = [1, 2, 4, 8]>
func.func @async_ring(%x: !tile.view<?x?xf32>, %s: !tile.shared<2 x [4, 4], f32, #l16>, %i: index) {
  tile.async_load %x[%i, %i] along [0, 1] into %s : !tile.view<?x?xf32> -> !tile.shared<2 x [4, 4], f32, #l16>
  return
}
