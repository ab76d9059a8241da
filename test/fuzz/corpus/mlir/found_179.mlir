func.func @k(%x: !tile.view<?xf32> {tile.name = "x", tile.dims = ["N"]}) attributes {tile.kernel, tile.grid = affine_map<()[N] -> (N)>, tile.grid_dims = ["M"]} {
  return
}
