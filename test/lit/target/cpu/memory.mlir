// RUN: treadle-opt %s -split-input-file -tile-lower-to-cpu | FileCheck %s

// Parameters come in the order of kernelAbi; a size that two views share is passed once.

// CHECK-LABEL: func.func @window(%arg0: !llvm.ptr, %arg1: i64, %arg2: i64, %arg3: i64)
// CHECK-SAME: treadle.stack_bytes
// CHECK-NOT: tile.
// CHECK: %[[X:.*]] = llvm.load %{{.*}} : !llvm.ptr -> !llvm.ptr
// CHECK: %[[M:.*]] = llvm.load %{{.*}} : !llvm.ptr -> i64
// CHECK: %[[N:.*]] = llvm.load %{{.*}} : !llvm.ptr -> i64
// CHECK: %[[STRIDE:.*]] = llvm.load %{{.*}} : !llvm.ptr -> i64
// CHECK: %{{.*}} = llvm.load %{{.*}} : !llvm.ptr -> f32
// Where the tile lies inside the view; the rest of the tile is filled first.
// CHECK: arith.maxsi
// CHECK: arith.minsi %{{.*}}, %[[M]]
// CHECK: arith.minsi %{{.*}}, %[[N]]
// CHECK: scf.if
// CHECK:   llvm.store %{{.*}} : vector<16xf32>
// Rows, groups of lanes, single elements.
// CHECK: scf.for
// CHECK:   scf.for
// CHECK:     llvm.load %{{.*}} {alignment = 4 : i64} : !llvm.ptr -> vector<16xf32>
// CHECK:   scf.for
// CHECK:     llvm.load %{{.*}} {alignment = 4 : i64} : !llvm.ptr -> f32
// Stores: a group that is not all inside goes element by element.
// CHECK: scf.for
// CHECK:   scf.for
// CHECK:     scf.if
// CHECK:       llvm.store %{{.*}} {alignment = 4 : i64} : vector<16xf32>
// CHECK:     } else {
// CHECK:       scf.for
// CHECK:         llvm.store %{{.*}} {alignment = 4 : i64} : f32
func.func @window(%x: !tile.view<?x?xf32> {tile.name = "x", tile.dims = ["M", "N"]},
                  %y: !tile.view<?x?xf32> {tile.name = "y", tile.dims = ["M", "N"]}, %other: f32 {tile.name = "o"})
    attributes {tile.kernel, tile.grid = affine_map<() -> (1)>} {
  %i = tile.program_id 0
  %t = tile.load %x[%i, %i] along [0, 1] other(%other : f32) : !tile.view<?x?xf32> -> tensor<8x32xf32>
  tile.store %t, %y[%i, %i] along [0, 1] : tensor<8x32xf32>, !tile.view<?x?xf32>
  return
}

// -----

// One element: a branch. A static size is a constant.

// CHECK-LABEL: func.func @scalar
// CHECK: %[[IN:.*]] = arith.cmpi ult, %{{.*}}, %c5_i64
// CHECK: %[[R:.*]] = scf.if %{{.*}} -> (i16)
// CHECK:   llvm.load %{{.*}} {alignment = 2 : i64} : !llvm.ptr -> i16
// CHECK: } else {
// CHECK:   scf.yield %c0_i16
// CHECK: scf.if
// CHECK:   llvm.store %[[R]], %{{.*}} {alignment = 2 : i64} : i16
func.func @scalar(%x: !tile.view<5xbf16> {tile.name = "x", tile.dims = [5]})
    attributes {tile.kernel, tile.grid = affine_map<() -> (1)>} {
  %i = tile.program_id 0
  %c1 = arith.constant 1 : index
  %t = tile.load %x[%i] along [] : !tile.view<5xbf16> -> bf16
  tile.store %t, %x[%c1] along [] : bf16, !tile.view<5xbf16>
  return
}
