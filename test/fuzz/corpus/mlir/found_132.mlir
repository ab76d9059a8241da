func.func @f(%a: tensor<4x8xf32>) {
  %t = tile.extract %a, [0, 0] : tensor<4x8xf32> -> tensor<8x8xf32>
  return
}
