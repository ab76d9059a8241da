  
func.func @f(%v: !tile.view<?x?xf32>, %i: index, %o: bf16) {
  %t = tile.load %v[%i, %i] along [1] other(%o : bf16) : !tile.view<?x?xf32> -> tensor<8xf32>
  
}
