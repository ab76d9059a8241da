func.func @f(%v: !tile.view<?x?xf32>, %i: index) {
  %t = tile.load %v[%i, %i] along [1] : !tile.view<?x?xf32> -> tensor<0xf32>
}
