func.func @while(%x: !tile.view<?xf32, align = 16> {tile.name = "x", tile.dims = ["M"]})
    attributes {tile.kernel, tile.grid = affine_map<()[M] -> (M)>, tile.grid_dims = ["M"]} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c8 = arith.constant 8 : index
  %t = tile.load %x[%c0] along [0] : !tile.view<?xf32, align = 16> -> tensor<512xf32>
  %r:2 = scf.while (%v = %t, %i = %c0) : (tensor<512xf32>, index) -> (tensor<512xf32>, index) {
    %more = arith.cmpi slt, %i, %c8 : index
    scf.condition(%more) %v, %i : tensor<512xf32>, index
  } do {
  ^bb0(%v: tensor<512xf32>, %i: index):
    %d = arith.addf %v, %v : tensor<512xf32>
    %n = arith.addi %i, %c1 : index
    scf.yield %d, %n : tensor<512xf32>, index
  }
  tile.store %r#0, %x[%c0] along [0] : tensor<512xf32>, !tile.view<?xf32, align = 16>
  return
}
