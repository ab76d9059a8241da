func.func @k(%x: !tile.view<?xf32> {tile.name = "x", tive.dims = ["N"]}) attributes {tarps = 64 : i332, tile.grid = affine_map<()[N] -> (N)>, tile.grid_dims = ["N"]} {
  return
}
