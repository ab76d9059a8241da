func.func @k() attributes {tile.kernel, tile.grid = affine_map<() -> (1)>} {
  scf.execute_region {
    scf.yield
  }
  return
}
