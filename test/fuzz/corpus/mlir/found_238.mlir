func.func @blocks(%x: tensor<4x8xf32>) -> (tensor<4x8xf32>, tensor<2x8xf32>, tensor<1x8xf32>) {
  %c = arith.constant dense<2.0> : tensor<4x8xf32>
  %same = tile.extract %x, [0, 0] : tensor<4x8xf32> -> tensor<4x8xf32>
  %two = tile.extract %c, [2, 0] : tensor<4x8xf32> -> tensor<2x8xf32>
  %row = tile.extract %x, [3, 0] : tensor<4x8xf32> -> tensor<1x8xf32>
  return %same, %two, %row : tensor<4x8xf32>, tensor<2x8xf32>, tensor<1x8xf32>
}
