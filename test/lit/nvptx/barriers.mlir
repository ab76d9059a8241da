// RUN: treadlec %s --emit=gpu | FileCheck %s

// A row sum within a warp goes over registers, then lanes by butterfly shuffles; no shared memory, no barrier.
// CHECK-LABEL: llvm.func @within_warp
// CHECK-NOT: nvvm.barrier0
// CHECK: arith.addf
// CHECK-COUNT-5: nvvm.shfl.sync bfly
// CHECK-NOT: nvvm.barrier0
// CHECK: llvm.return
func.func @within_warp(%x: !tile.view<?x128xf32, align = 16> {tile.name = "within_warp_x", tile.dims = ["M", 128]},
                       %y: !tile.view<?xf32> {tile.name = "within_warp_y", tile.dims = ["M"]})
    attributes {tile.kernel, tile.num_warps = 4 : i32, tile.grid = affine_map<()[M] -> (M)>, tile.grid_dims = ["M"]} {
  %c0 = arith.constant 0 : index
  %t = tile.load %x[%c0, %c0] along [0, 1] : !tile.view<?x128xf32, align = 16> -> tensor<4x128xf32>
  %s = tile.reduce (%t) along 1 {
  ^bb0(%a: f32, %b: f32):
    %c = arith.addf %a, %b : f32
    tile.yield %c : f32
  } : (tensor<4x128xf32>) -> (tensor<4xf32>)
  tile.store %s, %y[%c0] along [0] : tensor<4xf32>, !tile.view<?xf32>
  return
}

// Across warps the parts meet in scratch: one store, one barrier, one load of each part.
// CHECK-LABEL: llvm.func @across_warps
// CHECK-NOT: nvvm.barrier0
// CHECK: llvm.store %{{.*}} : i32, !llvm.ptr<3>
// CHECK: nvvm.barrier0
// CHECK-COUNT-4: llvm.load %{{.*}} : !llvm.ptr<3> -> i32
// CHECK-NOT: nvvm.barrier0
// CHECK: llvm.return
func.func @across_warps(%x: !tile.view<?xf32, align = 16> {tile.name = "across_warps_x", tile.dims = ["M"]})
    attributes {tile.kernel, tile.num_warps = 4 : i32, tile.grid = affine_map<()[M] -> (M)>, tile.grid_dims = ["M"]} {
  %c0 = arith.constant 0 : index
  %t = tile.load %x[%c0] along [0] : !tile.view<?xf32, align = 16> -> tensor<512xf32>
  %s = tile.reduce (%t) along 0 {
  ^bb0(%a: f32, %b: f32):
    %c = arith.addf %a, %b : f32
    tile.yield %c : f32
  } : (tensor<512xf32>) -> f32
  tile.store %s, %x[%c0] along [] : f32, !tile.view<?xf32, align = 16>
  return
}

// The second reduction has scratch of its own: its one barrier is the one between its write and its read.
// CHECK-LABEL: llvm.func @two_reductions
// CHECK: llvm.store {{.*}}!llvm.ptr<3>
// CHECK: nvvm.barrier0
// CHECK: llvm.store {{.*}}!llvm.ptr<3>
// CHECK: nvvm.barrier0
// CHECK-NOT: nvvm.barrier0
// CHECK: llvm.return
func.func @two_reductions(%x: !tile.view<?xf32, align = 16> {tile.name = "two_reductions_x", tile.dims = ["M"]})
    attributes {tile.kernel, tile.num_warps = 4 : i32, tile.grid = affine_map<()[M] -> (M)>, tile.grid_dims = ["M"]} {
  %c0 = arith.constant 0 : index
  %t = tile.load %x[%c0] along [0] : !tile.view<?xf32, align = 16> -> tensor<512xf32>
  %m = tile.reduce (%t) along 0 {
  ^bb0(%a: f32, %b: f32):
    %c = arith.maximumf %a, %b : f32
    tile.yield %c : f32
  } : (tensor<512xf32>) -> f32
  %w = tile.splat %m : f32 -> tensor<512xf32>
  %d = arith.subf %t, %w : tensor<512xf32>
  %s = tile.reduce (%d) along 0 {
  ^bb0(%a: f32, %b: f32):
    %c = arith.addf %a, %b : f32
    tile.yield %c : f32
  } : (tensor<512xf32>) -> f32
  tile.store %s, %x[%c0] along [] : f32, !tile.view<?xf32, align = 16>
  return
}

// In a loop the scratch of the iteration before may still be read: a barrier in front of the write as well.
// CHECK-LABEL: llvm.func @in_a_loop
// CHECK: scf.for
// CHECK: nvvm.barrier0
// CHECK: llvm.store {{.*}}!llvm.ptr<3>
// CHECK: nvvm.barrier0
// CHECK: llvm.load {{.*}}!llvm.ptr<3>
// CHECK-NOT: nvvm.barrier0
// CHECK: scf.yield
func.func @in_a_loop(%x: !tile.view<?xf32, align = 16> {tile.name = "in_a_loop_x", tile.dims = ["M"]})
    attributes {tile.kernel, tile.num_warps = 4 : i32, tile.grid = affine_map<()[M] -> (M)>, tile.grid_dims = ["M"]} {
  %c0 = arith.constant 0 : index
  %c512 = arith.constant 512 : index
  %n = tile.dim %x, 0 : !tile.view<?xf32, align = 16>
  %zero = arith.constant 0.0 : f32
  %r = scf.for %i = %c0 to %n step %c512 iter_args(%acc = %zero) -> (f32) {
    %t = tile.load %x[%i] along [0] : !tile.view<?xf32, align = 16> -> tensor<512xf32>
    %s = tile.reduce (%t) along 0 {
    ^bb0(%a: f32, %b: f32):
      %c = arith.addf %a, %b : f32
      tile.yield %c : f32
    } : (tensor<512xf32>) -> f32
    %next = arith.addf %acc, %s : f32
    scf.yield %next : f32
  }
  tile.store %r, %x[%c0] along [] : f32, !tile.view<?xf32, align = 16>
  return
}

// A conversion through shared memory: write, barrier, read.
// CHECK-LABEL: llvm.func @conversion
// CHECK-NOT: nvvm.barrier0
// CHECK: llvm.store {{.*}}!llvm.ptr<3>
// CHECK: nvvm.barrier0
// CHECK: llvm.load {{.*}}!llvm.ptr<3>
// CHECK-NOT: nvvm.barrier0
// CHECK: llvm.return
func.func @conversion(%x: !tile.view<?x?xf32, align = 16> {tile.name = "conversion_x", tile.dims = ["M", "N"]})
    attributes {tile.kernel, tile.num_warps = 4 : i32, tile.grid = affine_map<()[M] -> (M)>, tile.grid_dims = ["M"]} {
  %c0 = arith.constant 0 : index
  %t = tile.load %x[%c0, %c0] along [0, 1] : !tile.view<?x?xf32, align = 16> -> tensor<32x32xf32>
  %u = tile.transpose %t, [1, 0] : tensor<32x32xf32> -> tensor<32x32xf32>
  tile.store %u, %x[%c0, %c0] along [0, 1] : tensor<32x32xf32>, !tile.view<?x?xf32, align = 16>
  return
}

// An operand of an ieee product that is stored in every iteration: a barrier between the store and the product that reads
// it, and one between that product and the next iteration's store.
// CHECK-LABEL: llvm.func @stored_operand
// CHECK: scf.for
// CHECK: nvvm.barrier0
// CHECK: llvm.store {{.*}}!llvm.ptr<3>
// CHECK: nvvm.barrier0
// CHECK: math.fma
// CHECK: llvm.return
func.func @stored_operand(%x: !tile.view<?x?xf32, align = 16> {tile.name = "stored_operand_x", tile.dims = ["M", "N"]})
    attributes {tile.kernel, tile.num_stages = 1 : i32, tile.grid = affine_map<()[M] -> (M)>, tile.grid_dims = ["M"]} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = tile.dim %x, 0 : !tile.view<?x?xf32, align = 16>
  %one = arith.constant dense<1.0> : tensor<32x32xf32>
  %zero = arith.constant dense<0.0> : tensor<32x32xf32>
  %r:2 = scf.for %i = %c0 to %n step %c1 iter_args(%acc = %zero, %a = %one) -> (tensor<32x32xf32>, tensor<32x32xf32>) {
    %d = tile.dot %a, %a, %acc : tensor<32x32xf32>, tensor<32x32xf32> -> tensor<32x32xf32>
    %next = arith.addf %a, %one : tensor<32x32xf32>
    scf.yield %d, %next : tensor<32x32xf32>, tensor<32x32xf32>
  }
  tile.store %r#0, %x[%c0, %c0] along [0, 1] : tensor<32x32xf32>, !tile.view<?x?xf32, align = 16>
  return
}
