func.func @rms_norm(%x: !tile.view<?x1024xbf16, align = 16> {tile.name = "x", tile.dims = ["M", 1024]}, %w: !tile.view<1024xbf16, align = 16> {tile.name = "w", tile.dims = [1024]}, %y: !tile.view<?x1024xbf16, align = 16> {tile.name = "y", tile.dims = ["M", 1024]}, %eps: f32 {tile.name = "eps", tile.default = 1.0e-06 : f32})
    attributes {tile.kernel, tile.num_warps = 4 : i32, tile.num_stages = 1 : i32, tile.grid = affine_map<()[M] -> (M ceildiv 4)>, tile.grid_dims = ["M"]} {
  %0 = tile.dim %x, 0 : !tile.view<?x1024xbf16, align = 16>
  %2 = arith.constant 4 : index
  %4 = arith.constant 0 : index
  %12 = arith.constant dense<1024.0> : tensor<4xf32>
  %1 = tile.program_id 0
  %3 = arith.muli %1, %2 : index
  %5 = tile.load %x[%3, %4] along [0, 1] : !tile.view<?x1024xbf16, align = 16> -> tensor<4x1024xbf16>
  %6 = arith.extf %5 : tensor<4x1024xbf16> to tensor<4x1024xf32>
  %7 = arith.mulf %6, %6 : tensor<4x1024xf32>
  %11 = tile.reduce (%7) along 1 {
  ^bb0(%8: f32, %9: f32):
    %10 = arith.addf %8, %9 : f32
    tile.yield %10 : f32
  } : (tensor<4x1024xf32>) -> (tensor<4xf32>)
  %13 = arith.divf %11, %12 : tensor<4xf32>
  %14 = tile.splat %eps : f32 -> tensor<4xf32>
  %15 = arith.addf %13, %14 : tensor<4xf32>
  %16 = math.rsqrt %15 : tensor<4xf32>
  %17 = tile.expand_dims %16, 1 : tensor<4xf32> -> tensor<4x1xf32>
  %18 = tile.broadcast %17 : tensor<4x1xf32> -> tensor<4x1024xf32>
  %19 = arith.mulf %6, %18 : tensor<4x1024xf32>
  %20 = tile.load %w[%4] along [0] : !tile.view<1024xbf16, align = 16> -> tensor<1024xbf16>
  %21 = arith.extf %20 : tensor<1024xbf16> to tensor<1024xf32>
  %22 = tile.expand_dims %21, 0 : tensor<1024xf32> -> tensor<1x1024xf32>
  %23 = tile.broadcast %22 : tensor<1x1024xf32> -> tensor<4x1024xf32>
  %24 = arith.mulf %19, %23 : tensor<4x1024xf32>
  %25 = arith.truncf %24 : tensor<4x1024xf32> to tensor<4x1024xbf16>
  tile.store %25, %y[%3, %4] along [0, 1] : tensor<4x1024xbf16>, !tile.view<?x1024xbf16, align = 16>
  return
}
