func.func @k(%x: !tile.view<?xf32> {tile.name = "x", tile.dims = ["N"]}) attributes {tile.kernel, tile.num_stages = 0 : i32, tile.grid = affine_map<()[N] -> (N)>, tile.grid_dims = ["N"]} {
  return
}
