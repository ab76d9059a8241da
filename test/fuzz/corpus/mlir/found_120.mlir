func.func @f(%a: tensor<8xf32>) {
  %t = tile.expand_dims %a, 1 : tensor<8xf32> -> tensor<1x8xf32>
  return
}
