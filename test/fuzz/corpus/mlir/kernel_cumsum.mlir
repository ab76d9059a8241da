func.func @cumsum_rows(%x: !tile.view<?x?xbf16, align = 16> {tile.name = "x", tile.dims = ["M", "N"]}, %y: !tile.view<?x?xbf16, align = 16> {tile.name = "y", tile.dims = ["M", "N"]})
    attributes {tile.kernel, tile.num_warps = 4 : i32, tile.num_stages = 3 : i32, tile.grid = affine_map<()[M] -> (M ceildiv 4)>, tile.grid_dims = ["M"]} {
  %0 = tile.dim %x, 0 : !tile.view<?x?xbf16, align = 16>
  %1 = tile.dim %x, 1 : !tile.view<?x?xbf16, align = 16>
  %3 = arith.constant dense<0.0> : tensor<4xf32>
  %4 = arith.constant 511 : index
  %6 = arith.constant 512 : index
  %8 = arith.constant 0 : index
  %9 = arith.constant 1 : index
  %14 = arith.constant 4 : index
  %2 = tile.program_id 0
  %5 = arith.addi %1, %4 : index
  %7 = arith.divui %5, %6 : index
  %12 = scf.for %10 = %8 to %7 step %9 iter_args(%11 = %3) -> (tensor<4xf32>) {
    %13 = arith.muli %10, %6 : index
    %15 = arith.muli %2, %14 : index
    %16 = tile.load %x[%15, %13] along [0, 1] : !tile.view<?x?xbf16, align = 16> -> tensor<4x512xbf16>
    %17 = arith.extf %16 : tensor<4x512xbf16> to tensor<4x512xf32>
    %21 = tile.scan (%17) along 1 {
    ^bb0(%18: f32, %19: f32):
      %20 = arith.addf %18, %19 : f32
      tile.yield %20 : f32
    } : (tensor<4x512xf32>) -> (tensor<4x512xf32>)
    %22 = tile.expand_dims %11, 1 : tensor<4xf32> -> tensor<4x1xf32>
    %23 = tile.broadcast %22 : tensor<4x1xf32> -> tensor<4x512xf32>
    %24 = arith.addf %21, %23 : tensor<4x512xf32>
    %25 = arith.truncf %24 : tensor<4x512xf32> to tensor<4x512xbf16>
    %26 = arith.muli %2, %14 : index
    tile.store %25, %y[%26, %13] along [0, 1] : tensor<4x512xbf16>, !tile.view<?x?xbf16, align = 16>
    %30 = tile.reduce (%17) along 1 {
    ^bb0(%27: f32, %28: f32):
      %29 = arith.addf %27, %28 : f32
      tile.yield %29 : f32
    } : (tensor<4x512xf32>) -> (tensor<4xf32>)
    %31 = arith.addf %11, %30 : tensor<4xf32>
    scf.yield %31 : tensor<4xf32>
  }
  return
}
