func.func @from_outside(%x: !tile.view<?x?xf32, align = 16> {tile.name = "x", tile.dims = ["M", "N"]})
    attributes {tile.kernel, tile.num_stages = 1 : i32, tile.grid = affine_map<()[M] -> (M)>, tile.grid_dims = ["M"]} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = tile.dim %x, 0 : !tile.view<?x?xf32, align = 16>
  %t = tile.load %x[%c0, %c0] along [0, 1] : !tile.view<?x?xf32, align = 16> -> tensor<16x64xf32>
  scf.for %i = %c0 to %n step %c1 {
    %go = arith.cmpi ne, %i, %c1 : index
    scf.if %go {
      tile.store %t, %x[%i, %c0] along [0, 1] : tensor<16x64xf32>, !tile.view<?x?xf32, align = 16>
    }
  }
  return
}
