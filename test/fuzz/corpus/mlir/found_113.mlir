func.func @schd() attributes {tile.kernel, tile.grid = affine_map<() -> (1)>} {
  tile.barrier
  return
}
