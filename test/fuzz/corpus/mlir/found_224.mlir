func.func @loads(%view: !tile.view<8xf32>, %i: index) -> (tensor<8xf32>, tensor<8xf32>) {
  %a = tile.load %view[%i] along [0] : !tile.view<8xf32> -> tensor<8xf32>
  %b = tile.load %view[%i] along [0] : !tile.view<8xf32> -> tensor<8xf32>
  return %a, %b : tensor<8xf32>, tensor<8xf32>
}
