func.func @f(%a: tensor<4x8xf32>) {
  %t = tile.extract %a, [0, 2] : tensor<4x8xf32> -> tensor<4x4xf32>
  return
}
