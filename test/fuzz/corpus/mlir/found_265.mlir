func.func @scale(%x: !tile.view<?x?xbf16, align = 16> {tile.name = "x", tile.dims = ["M", "N"]},
                 %y: !tile.view<?x?xbf16, align = 16> {tile.name = "y", tile.dims = ["M", "N"]},
                 %a: f32 {tile.name = "a", tile.default = 0.1 : f32})
    attributes {tile.kernel, tile.num_warps = 4 : i32, tile.num_stages = 2 : i32,
                tile.grid = affine_map<()[M, N] -> (M ceildiv 32, (N + 1 - M) * 2)>, tile.grid_dims = ["M", "N"]} {
  %unused = arith.constant 7 : index
  %c32 = arith.constant 32 : index
  %c64 = arith.constant 64 : index
  %i = tile.program_id 0
  %j = tile.program_id 1
  %r = arith.muli %i, %c32 : index
  %c = arith.muli %j, %c64 : index
  %t = tile.load %x[%r, %c] along [0, 1] : !tile.view<?x?xbf16, align = 16> -> tensor<32x64xbf16>
  %f = arith.extf %t : tensor<32x64xbf16> to tensor<32x64xf32>
  %s = tile.splat %a : f32 -> tensor<32x64xf32>
  %g = arith.mulf %f, %s : tensor<32x64xf32>
  %o = arith.truncf %g : tensor<32x64xf32> to tensor<32x64xbf16>
  tile.store %o, %y[%r, %c] along [0, 1] : tensor<32x64xbf16>, !tile.view<?x?xbf16, align = 16>
  return
}
