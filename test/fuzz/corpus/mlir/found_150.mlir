func.func @f64() attributes {tile.kernel, tile.grid = affine_map<() -> (1)>} {
  %z = arith.constant dense<0.0> : tensor<64xf64>
  return
}
