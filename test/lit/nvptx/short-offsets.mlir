// RUN: treadle-opt %s -tile-assign-layouts -tile-lower-to-gpu -canonicalize -cse -split-input-file | FileCheck %s -enable-var-scope

// A tensor that promises to span less than 2^31 bytes has its offsets computed in 32 bits.
// CHECK-LABEL: llvm.func @small
// CHECK-NOT: arith.muli {{.*}} : i64
// CHECK: %[[OFFSET:.*]] = arith.addi {{.*}} : i32
// CHECK: llvm.getelementptr {{.*}} (!llvm.ptr<1>, i32) -> !llvm.ptr<1>, f32
func.func @small(%x: !tile.view<?x?xf32, align = 16, max_bytes = 2147483647> {tile.name = "x", tile.dims = ["M", "N"]})
    attributes {tile.kernel, tile.grid = affine_map<()[M] -> (M)>, tile.grid_dims = ["M"]} {
  %c0 = arith.constant 0 : index
  %i = tile.program_id 0
  %t = tile.load %x[%i, %c0] along [1] : !tile.view<?x?xf32, align = 16, max_bytes = 2147483647> -> tensor<512xf32>
  tile.store %t, %x[%i, %c0] along [1] : tensor<512xf32>, !tile.view<?x?xf32, align = 16, max_bytes = 2147483647>
  return
}

// -----

// When in doubt, 64 bits: no promise, or one beyond 2^31 - 1.
// CHECK-LABEL: llvm.func @large
// CHECK: arith.muli {{.*}} : i64
// CHECK: llvm.getelementptr {{.*}} (!llvm.ptr<1>, i64) -> !llvm.ptr<1>, f32
func.func @large(%x: !tile.view<?x?xf32, align = 16, max_bytes = 2147483648> {tile.name = "x", tile.dims = ["M", "N"]})
    attributes {tile.kernel, tile.grid = affine_map<()[M] -> (M)>, tile.grid_dims = ["M"]} {
  %c0 = arith.constant 0 : index
  %i = tile.program_id 0
  %t = tile.load %x[%i, %c0] along [1] : !tile.view<?x?xf32, align = 16, max_bytes = 2147483648> -> tensor<512xf32>
  tile.store %t, %x[%i, %c0] along [1] : tensor<512xf32>, !tile.view<?x?xf32, align = 16, max_bytes = 2147483648>
  return
}
