func.func @constant_shapes() -> (tensor<4x8xf32>, tensor<1x4xf32>, tensor<2x2xf32>) {
  %two = arith.constant dense<2.0> : tensor<4x1xf32>
  %wide = tile.broadcast %two : tensor<4x1xf32> -> tensor<4x8xf32>
  %turned = tile.transpose %two, [1, 0] : tensor<4x1xf32> -> tensor<1x4xf32>
  %square = tile.reshape %two : tensor<4x1xf32> -> tensor<2x2xf32>
  return %wide, %turned, %square : tensor<4x8xf32>, tensor<1x4xf32>, tensor<2x2xf32>
}
