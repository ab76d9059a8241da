func.func @softmax(%x: !tile.view<?x1024xbf16, align = 16> {tile.name = "x", tile.dims = ["M", 1024]}, %y: !tile.view<?x1024xbf16, align = 16> {tile.name = "y", tile.dims = ["M", 1024]})
    attributes {tile.kernel, tile.num_warps = 4 : i32, tile.num_stages = 1 : i32, tile.grid = affine_map<()[M] -> (M ceildiv 4)>, tile.grid_dims = ["M"]} {
  %0 = tile.dim %x, 0 : !tile.view<?x1024xbf16, align = 16>
  %2 = arith.constant 4 : index
  %4 = arith.constant 0 : index
  %5 = arith.constant 0xFF80 : bf16
  %15 = arith.constant dense<1.4426950408889634> : tensor<4x1024xf32>
  %22 = arith.constant dense<1.0> : tensor<4xf32>
  %1 = tile.program_id 0
  %3 = arith.muli %1, %2 : index
  %6 = tile.load %x[%3, %4] along [0, 1] other(%5 : bf16) : !tile.view<?x1024xbf16, align = 16> -> tensor<4x1024xbf16>
  %7 = arith.extf %6 : tensor<4x1024xbf16> to tensor<4x1024xf32>
  %11 = tile.reduce (%7) along 1 {
  ^bb0(%8: f32, %9: f32):
    %10 = arith.maximumf %8, %9 : f32
    tile.yield %10 : f32
  } : (tensor<4x1024xf32>) -> (tensor<4xf32>)
  %12 = tile.expand_dims %11, 1 : tensor<4xf32> -> tensor<4x1xf32>
  %13 = tile.broadcast %12 : tensor<4x1xf32> -> tensor<4x1024xf32>
  %14 = arith.subf %7, %13 : tensor<4x1024xf32>
  %16 = arith.mulf %14, %15 : tensor<4x1024xf32>
  %17 = math.exp2 %16 : tensor<4x1024xf32>
  %21 = tile.reduce (%17) along 1 {
  ^bb0(%18: f32, %19: f32):
    %20 = arith.addf %18, %19 : f32
    tile.yield %20 : f32
  } : (tensor<4x1024xf32>) -> (tensor<4xf32>)
  %23 = arith.divf %22, %21 : tensor<4xf32>
  %24 = tile.expand_dims %23, 1 : tensor<4xf32> -> tensor<4x1xf32>
  %25 = tile.broadcast %24 : tensor<4x1xf32> -> tensor<4x1024xf32>
  %26 = arith.mulf %17, %25 : tensor<4x1024xf32>
  %27 = arith.truncf %26 : tensor<4x1024xf32> to tensor<4x1024xbf16>
  tile.store %27, %y[%3, %4] along [0, 1] : tensor<4x1024xbf16>, !tile.view<?x1024xbf16, align = 16>
  return
}
