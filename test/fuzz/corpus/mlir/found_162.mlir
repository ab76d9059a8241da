func.func @table() attributes {tile.kernel, tile.grid = affine_map<() -> (1)>} {
  %t = arith.constant dense<[1, 2, 3, 4]> : tensor<4xi32>
  return
}
