func.func @k(%x: !tile.view<?x8xf32> {tile.name = "x", tile.dims = ["N", "D"]}) attributes {tile.kernel, tile.grid = affine_map<()[N] -> (N)>, tile.grid_dims = ["N"]} {
  return
}
