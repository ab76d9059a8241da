func.func @matmul(%a: !tile.view<?x?xbf16, align = 16> {tile.name = "a", tile.dims = ["M", "K"]}, %b: !tile.view<?x?xbf16, align = 16> {tile.name = "b", tile.dims = ["K", "N"]}, %c: !tile.view<?x?xbf16, align = 16> {tile.name = "c", tile.dims = ["M", "N"]})
    attributes {tile.kernel, tile.num_warps = 4 : i32, tile.num_stages = 3 : i32, tile.grid = affine_map<()[M, N] -> ((M ceildiv 128) * (N ceildiv 128))>, tile.grid_dims = ["M", "N"]} {
  %0 = tile.dim %a, 0 : !tile.view<?x?xbf16, align = 16>
  %1 = tile.dim %a, 1 : !tile.view<?x?xbf16, align = 16>
  %2 = tile.dim %b, 1 : !tile.view<?x?xbf16, align = 16>
  %3 = arith.constant 127 : index
  %5 = arith.constant 128 : index
  %10 = arith.constant 8 : index
  %25 = arith.constant dense<0.0> : tensor<128x128xf32>
  %26 = arith.constant 0 : index
  %27 = arith.constant 32 : index
  %4 = arith.addi %0, %3 : index
  %6 = arith.divui %4, %5 : index
  %7 = arith.addi %2, %3 : index
  %8 = arith.divui %7, %5 : index
  %9 = tile.program_id 0
  %11 = arith.muli %10, %8 : index
  %12 = arith.divui %9, %11 : index
  %13 = arith.muli %12, %10 : index
  %14 = arith.subi %6, %13 : index
  %15 = arith.minsi %14, %10 : index
  %16 = arith.muli %10, %8 : index
  %17 = arith.remui %9, %16 : index
  %18 = arith.floordivsi %17, %15 : index
  %19 = arith.muli %18, %15 : index
  %20 = arith.subi %17, %19 : index
  %21 = arith.addi %13, %20 : index
  %22 = arith.muli %21, %5 : index
  %23 = arith.floordivsi %17, %15 : index
  %24 = arith.muli %23, %5 : index
  %30 = scf.for %28 = %26 to %1 step %27 iter_args(%29 = %25) -> (tensor<128x128xf32>) {
    %31 = tile.load %a[%22, %28] along [0, 1] : !tile.view<?x?xbf16, align = 16> -> tensor<128x32xbf16>
    %32 = tile.load %b[%28, %24] along [0, 1] : !tile.view<?x?xbf16, align = 16> -> tensor<32x128xbf16>
    %33 = tile.dot %31, %32, %29 : tensor<128x32xbf16>, tensor<32x128xbf16> -> tensor<128x128xf32>
    scf.yield %33 : tensor<128x128xf32>
  }
  %34 = arith.truncf %30 : tensor<128x128xf32> to tensor<128x128xbf16>
  tile.store %34, %c[%22, %24] along [0, 1] : tensor<128x128xbf16>, !tile.view<?x?xbf16, align = 16>
  return
}
