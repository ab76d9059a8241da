func.func @f(%v: !tile.view<?x?xf32>, %i: index) {
  %t = tile.load %v[%i] along [0] : !tile.view<?x?xf32> -> tensor<8xf32>
  return
}
