func.func @f(%v: !tile.view<?x?xf32>, %i: index, %t: tensor<8xi32>) {
  tile.store %t, %v[%i, %i] along [0] : tensor<8xi32>, !tile.view<?x?xf32>
}
