func.func @f(%a: tensor<8xf32>) {
  %t = tile.expand_dims %a, 2 : tensor<8xf32> -> tensor<8x1xf32>
  return
}
