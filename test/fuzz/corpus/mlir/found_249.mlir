func.func @no_copies(%x: !tile.view<?x64xf32, align = 16> {tile.name = "x", tile.dims = ["M", 64]})
    attributes {tile.kernel, tile.num_stages = 3 : i32, tile.grid = affine_map<()[M] -> (M)>, tile.grid_dims = ["M"]} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = tile.dim %x, 0 : !tile.view<?x64xf32, align = 16>
  %one = arith.constant dense<1.0> : tensor<64xf32>
  scf.for %i = %c0 to %n step %c1 {
    tile.store %one, %x[%i, %c0] along [1] : tensor<64xf32>, !tile.view<?x64xf32, align = 16>
  }
  return
}
