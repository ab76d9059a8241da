#l4 = #tile.layout<offset = [1, 2]>
func.func @local_store(%t: tensor<4xbf16>, %s: !tile.shared<1 x [4], f32, #l4>) {
  tile.local_store %t, %s : tensor<4xbf16>, !tile.shared<1 x [4], f32, #l4>
  return
}
