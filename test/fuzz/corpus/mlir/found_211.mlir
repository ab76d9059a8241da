func.func @no_fold_of_dense() -> tensor<2x2xf32> {
  %x = arith.constant dense<[[1.0, 2.0], [3.0, 4.0]]> : tensor<2x2xf32>
  %y = tile.transpose %x, [1, 0] : tensor<2x2xf32> -> tensor<2x2xf32>
  return %y : tensor<2x2xf32>
}
