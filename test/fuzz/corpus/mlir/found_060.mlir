func.func @f() {
  %t = tile.iota : tensor<6xi64>
  return
}
