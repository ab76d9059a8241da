#l4 = #tile.layout<offset = [1, 2]>
func.func @local_load(%s: !tile.shared<1 x [4], f32, #l4>) {
  %t = tile.local_load %s : !tile.shared<1 x [4], f32, #l4> -> tensor<8xf32>
  return
}
