func.func @f(%a: tensor<6x4xf32>) {
  %t = tile.reshape %a : tensor<6x4xf32> -> tensor<24xf32>
  return
}
