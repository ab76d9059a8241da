func.func @f(%a: tensor<1x8xf32>) {
  %t = tile.broadcast %a : tensor<1x8xf32> -> tensor<4x8xi32>
  return
}
