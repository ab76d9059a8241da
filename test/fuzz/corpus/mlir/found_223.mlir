#l16 = #tile.layout<offset = [1, 2, 4, 8]>
func.func @async_element(%x: !tile.view<?x?xf32>, %s: !tile.shared<1 x [4, 4], bf16, #l16>, %i: index) {
  tile.async_load %x[%i, %i] along [0, 1] into %s : !tile.view<?x?xf32> -> !tile.shared<1 x [4, 4], bf16, #l16>
  return
}
