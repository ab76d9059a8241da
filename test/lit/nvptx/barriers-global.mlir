// RUN: treadle-opt %s -tile-assign-layouts -tile-pipeline -tile-lower-to-gpu -split-input-file | FileCheck %s -enable-var-scope

// What a block wrote to a view is there for all its threads when it reads the view again.
// CHECK-LABEL: llvm.func @read_back
// CHECK: st.global
// CHECK: nvvm.barrier0
// CHECK: ld.global
func.func @read_back(%x: !tile.view<?x64xf32, align = 16> {tile.name = "x", tile.dims = ["M", 64]},
                     %y: !tile.view<?x64xf32, align = 16> {tile.name = "y", tile.dims = ["N", 64]})
    attributes {tile.kernel, tile.grid = affine_map<() -> (1)>} {
  %c0 = arith.constant 0 : index
  %zero = arith.constant dense<0.0> : tensor<16x64xf32>
  tile.store %zero, %x[%c0, %c0] along [0, 1] : tensor<16x64xf32>, !tile.view<?x64xf32, align = 16>
  %c1 = arith.constant 1 : index
  %t = tile.load %x[%c1, %c0] along [0, 1] : !tile.view<?x64xf32, align = 16> -> tensor<16x64xf32>
  tile.store %t, %y[%c0, %c0] along [0, 1] : tensor<16x64xf32>, !tile.view<?x64xf32, align = 16>
  return
}

// -----

// Two views are two tensors: nothing to wait for.
// CHECK-LABEL: llvm.func @apart
// CHECK-NOT: nvvm.barrier0
// CHECK: llvm.return
func.func @apart(%x: !tile.view<?x64xf32, align = 16> {tile.name = "x", tile.dims = ["M", 64]},
                 %y: !tile.view<?x64xf32, align = 16> {tile.name = "y", tile.dims = ["N", 64]})
    attributes {tile.kernel, tile.grid = affine_map<() -> (1)>} {
  %c0 = arith.constant 0 : index
  %t = tile.load %x[%c0, %c0] along [0, 1] : !tile.view<?x64xf32, align = 16> -> tensor<16x64xf32>
  tile.store %t, %y[%c0, %c0] along [0, 1] : tensor<16x64xf32>, !tile.view<?x64xf32, align = 16>
  return
}

// -----

// A loop that writes the view that it reads does not read ahead, and its threads meet between the write and the next read.
// CHECK-LABEL: llvm.func @in_place
// CHECK: scf.for
// CHECK: nvvm.barrier0
// CHECK: nvvm.cp.async.shared.global
// CHECK: nvvm.cp.async.wait.group 0
// CHECK: st.global
func.func @in_place(%x: !tile.view<?x64xbf16, align = 16> {tile.name = "x", tile.dims = ["M", 64]})
    attributes {tile.kernel, tile.num_stages = 3 : i32, tile.grid = affine_map<() -> (1)>} {
  %c0 = arith.constant 0 : index
  %c16 = arith.constant 16 : index
  %c64 = arith.constant 64 : index
  scf.for %i = %c0 to %c64 step %c16 {
    %t = tile.load %x[%i, %c0] along [0, 1] : !tile.view<?x64xbf16, align = 16> -> tensor<16x64xbf16>
    %n = arith.addi %i, %c16 : index
    tile.store %t, %x[%n, %c0] along [0, 1] : tensor<16x64xbf16>, !tile.view<?x64xbf16, align = 16>
  }
  return
}
