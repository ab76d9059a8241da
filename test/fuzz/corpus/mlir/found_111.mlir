func.func @f(%a: tensor<4x8xf32>) {
  %t = tile.reshape %a : tensor<4x8xf32> -> tensor<32xi32>
  return
}
