#l8 = #tile.layout<offset = [1, 2, 4]>
func.func @transpose(%s: !tile.shared<1 x [4, 2], f32, #l8>) {
  %t = tile.shared_transpose %s, [1, 1] : !tile.shared<1 x [4, 2], f32, #l8> -> !tile.shared<1 x [2, 4], f32, #l8>
  return
}
