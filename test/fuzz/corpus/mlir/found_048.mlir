func.func @f() {
  %t = tile.iota : tensor<5xi32>
}
