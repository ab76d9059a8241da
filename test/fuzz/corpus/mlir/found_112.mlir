func.func @f(%a: tensor<4x8xf32>) {
  %t = tile.reshape %a : tensor<4x8xf32> -> tensor<64xf32>
  return
}
