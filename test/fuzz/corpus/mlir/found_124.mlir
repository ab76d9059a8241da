func.func @f(%a: tensor<4x8xf32>) {
  %t = tile.extract %a, [0] : tensor<4x8xf32> -> tensor<2x8xf32>
  return
}
