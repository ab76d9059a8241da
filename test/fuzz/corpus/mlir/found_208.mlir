#l4 = #tile.layout<offset = [1, 2]>
func.func @slot(%ring: !tile.shared<3 x [4], f32, #l4>, %i: index) {
  %slot = tile.slot %ring[%ring] : !tile.shared<3 x [4], f32, #l4> -> !tile.shared<1 x [4], bf16, #l4>
}
  return
