func.func @f(%a: tensor<2x8xf32>) {
  %t = tile.broadcast %a : tensor<2x8xf32> -> tensor<4x8xf32>
  return
}
