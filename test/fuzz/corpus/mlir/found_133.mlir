func.func @f(%a: tensor<4x8xf32>) {
  %t = tile.transpose %a, [0, 0] : tensor<4x8xf32> -> tensor<4x4xf32>
  return
}
