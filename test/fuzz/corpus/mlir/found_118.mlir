func.func @f(%a: tensor<4x8xf32>) {
  %t = tile.transpose %a, [1, 0] : tensor<4x8xf32> -> tensor<8x4xbf16>
}
