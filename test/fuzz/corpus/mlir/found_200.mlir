func.func @k(%x: !tile.view<?xf32> {tile.name = "x", tile.dims = ["N"]}, %a: f64 {tile.name = "a"}) attributes {tile.kernel, tile.grid = affine_map<()[N] -> (N)>, tile.grid_dims = ["N"]} {
  return
}
