func.func @f() {
  %t = tile.iota : tensor<8x8xi32>
  return
}
