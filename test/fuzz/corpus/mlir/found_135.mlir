func.func @i128() attributes {tile.kernel, tile.grid = affine_map<() -> (1)>} {
  %z = arith.constant 0 : i128
  return
}
