func.func @encoding() attributes {tile.kernel, tile.grid = affine_map<() -> (1)>} {
  %z = arith.constant dense<0.0> : tensor<4xf32, "hello">
}
