func.func @f(%a: tensor<8xf32>) {
  %t = tile.broadcast %a : tensor<8xf32> -> tensor<8x8xf32>
  return
}
