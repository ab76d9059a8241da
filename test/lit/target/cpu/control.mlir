// RUN: treadle-opt %s -split-input-file -tile-lower-to-cpu | FileCheck %s

// Carried tiles live in memory, carried scalars stay; tiles that change places go through a copy.

// CHECK-LABEL: func.func @swap
// CHECK: %[[T:.*]] = llvm.alloca
// CHECK: %[[B:.*]] = llvm.alloca
// CHECK: %[[A:.*]] = llvm.alloca
// CHECK: %[[F:.*]] = scf.for {{.*}} iter_args(%[[S:.*]] = %{{.*}}) -> (f32) {
// CHECK:   arith.addf %[[S]]
// CHECK:   scf.yield %{{.*}} : f32
func.func @swap(%x: !tile.view<2x16xf32> {tile.name = "x", tile.dims = [2, 16]}, %n: index {tile.name = "n"}, %f: f32 {tile.name = "f"})
    attributes {tile.kernel, tile.grid = affine_map<() -> (1)>} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %p = tile.load %x[%c0, %c0] along [1] : !tile.view<2x16xf32> -> tensor<16xf32>
  %q = tile.load %x[%c1, %c0] along [1] : !tile.view<2x16xf32> -> tensor<16xf32>
  %a, %b, %s = scf.for %i = %c0 to %n step %c1 iter_args(%u = %p, %v = %q, %t = %f) -> (tensor<16xf32>, tensor<16xf32>, f32) {
    %w = arith.addf %t, %t : f32
    scf.yield %v, %u, %w : tensor<16xf32>, tensor<16xf32>, f32
  }
  tile.store %a, %x[%c0, %c0] along [1] : tensor<16xf32>, !tile.view<2x16xf32>
  tile.store %s, %x[%c1, %c1] along [] : f32, !tile.view<2x16xf32>
  return
}

// -----

// CHECK-LABEL: func.func @branches
// CHECK: %[[N:.*]] = scf.while (%[[K:.*]] = %{{.*}}) : (index) -> index {
// CHECK:   scf.condition(%{{.*}}) %[[K]] : index
// CHECK: } do {
// CHECK:   scf.if %{{.*}} {
// CHECK:     llvm.store
// CHECK:   } else {
// CHECK:     llvm.store
// CHECK:   }
// CHECK:   scf.yield %{{.*}} : index
func.func @branches(%x: !tile.view<16xf32> {tile.name = "x", tile.dims = [16]}, %n: index {tile.name = "n"}, %f: f32 {tile.name = "f"})
    attributes {tile.kernel, tile.grid = affine_map<() -> (1)>} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %p = tile.load %x[%c0] along [0] : !tile.view<16xf32> -> tensor<16xf32>
  %r:2 = scf.while (%t = %p, %k = %c0) : (tensor<16xf32>, index) -> (tensor<16xf32>, index) {
    %go = arith.cmpi slt, %k, %n : index
    scf.condition(%go) %t, %k : tensor<16xf32>, index
  } do {
  ^bb0(%t: tensor<16xf32>, %k: index):
    %next = arith.addi %k, %c1 : index
    %first = arith.cmpi eq, %k, %c0 : index
    %u = scf.if %first -> tensor<16xf32> {
      %s = tile.splat %f : f32 -> tensor<16xf32>
      scf.yield %s : tensor<16xf32>
    } else {
      %d = arith.addf %t, %t : tensor<16xf32>
      scf.yield %d : tensor<16xf32>
    }
    scf.yield %u, %next : tensor<16xf32>, index
  }
  tile.store %r#0, %x[%c0] along [0] : tensor<16xf32>, !tile.view<16xf32>
  return
}
