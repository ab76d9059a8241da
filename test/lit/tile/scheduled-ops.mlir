// RUN: treadle-opt %s | FileCheck %s
// RUN: treadle-opt %s | treadle-opt | FileCheck %s
// RUN: treadle-opt %s --mlir-print-op-generic | treadle-opt | FileCheck %s

// Layouts are printed once, under an alias that tells registers from shared memory.
// CHECK-DAG: #[[rows:layout.*]] = #tile.layout<reg = [1, 64], lane = [2, 4, 8, 16, 32], warp = []>
// CHECK-DAG: #[[columns:layout.*]] = #tile.layout<reg = [8, 1], lane = [16, 32, 64, 2, 4], warp = []>
// CHECK-DAG: #[[swizzled:shared.*]] = #tile.layout<offset = [1, 2, 4, 8, 16, 32, 64]>
#rows = #tile.layout<reg = [1, 64], lane = [2, 4, 8, 16, 32], warp = []>
#columns = #tile.layout<warp = [], lane = [16, 32, 64, 2, 4], reg = [8, 1]>
#linear = #tile.layout<offset = [1, 2, 4, 8, 16, 32, 64]>

// A conversion names both layouts.
// CHECK-LABEL: func @convert_layout
func.func @convert_layout(%x: tensor<16x8xf32, #rows>) -> tensor<16x8xf32, #columns> {
  // CHECK: tile.convert_layout %{{.*}} : tensor<16x8xf32, #[[rows]]> -> tensor<16x8xf32, #[[columns]]>
  %y = tile.convert_layout %x : tensor<16x8xf32, #rows> -> tensor<16x8xf32, #columns>
  return %y : tensor<16x8xf32, #columns>
}

// A ring in shared memory has slots, which are rings of one.
// CHECK-LABEL: func @ring
func.func @ring(%i: index) {
  // CHECK: %[[ring:.*]] = tile.alloc : !tile.shared<3 x{{ *}}[16, 8], bf16, #[[swizzled]]>
  // CHECK: tile.slot %[[ring]][%{{.*}}] : !tile.shared<3 x{{ *}}[16, 8], bf16, #[[swizzled]]> -> !tile.shared<1 x{{ *}}[16, 8], bf16, #[[swizzled]]>
  %ring = tile.alloc : !tile.shared<3 x [16, 8], bf16, #linear>
  %slot = tile.slot %ring[%i] : !tile.shared<3 x [16, 8], bf16, #linear> -> !tile.shared<1 x [16, 8], bf16, #linear>
  return
}

// A copy into shared memory may have a predicate.
// CHECK-LABEL: func @async
func.func @async(%view: !tile.view<?x?xbf16, align = 16>, %i: index, %go: i1) {
  %slot = tile.alloc : !tile.shared<1 x [16, 8], bf16, #linear>
  // CHECK: tile.async_load %{{.*}}[%{{.*}}, %{{.*}}] along [0, 1] into %[[slot:.*]] : !tile.view<?x?xbf16, align = 16> -> !tile.shared<1 x{{ *}}[16, 8], bf16, #[[swizzled]]>
  // CHECK: tile.async_load %{{.*}}[%{{.*}}, %{{.*}}] along [0, 1] into %[[slot]] if %{{.*}} : !tile.view<?x?xbf16, align = 16> -> !tile.shared<1 x{{ *}}[16, 8], bf16, #[[swizzled]]>
  // CHECK: tile.async_commit
  // CHECK: tile.async_wait 2
  // CHECK: tile.barrier
  tile.async_load %view[%i, %i] along [0, 1] into %slot : !tile.view<?x?xbf16, align = 16> -> !tile.shared<1 x [16, 8], bf16, #linear>
  tile.async_load %view[%i, %i] along [0, 1] into %slot if %go : !tile.view<?x?xbf16, align = 16> -> !tile.shared<1 x [16, 8], bf16, #linear>
  tile.async_commit
  tile.async_wait 2
  tile.barrier
  return
}

// A whole tile moves between registers and shared memory.
// CHECK-LABEL: func @local
func.func @local(%x: tensor<16x8xf32, #rows>) -> tensor<16x8xf32, #columns> {
  // CHECK: tile.local_store %{{.*}}, %[[slot:.*]] : tensor<16x8xf32, #[[rows]]>, !tile.shared<1 x{{ *}}[16, 8], f32, #[[swizzled]]>
  // CHECK: tile.local_load %[[slot]] : !tile.shared<1 x{{ *}}[16, 8], f32, #[[swizzled]]> -> tensor<16x8xf32, #[[columns]]>
  %slot = tile.alloc : !tile.shared<1 x [16, 8], f32, #linear>
  tile.local_store %x, %slot : tensor<16x8xf32, #rows>, !tile.shared<1 x [16, 8], f32, #linear>
  %y = tile.local_load %slot : !tile.shared<1 x [16, 8], f32, #linear> -> tensor<16x8xf32, #columns>
  return %y : tensor<16x8xf32, #columns>
}

// A product of f32 reads its operands from shared memory.
// CHECK-LABEL: func @dot_from_shared
func.func @dot_from_shared(%c: tensor<16x8xf32, #rows>, %a: !tile.shared<1 x [16, 8], f32, #linear>) -> tensor<16x8xf32, #rows> {
  // CHECK: tile.dot %{{.*}}, %{{.*}}, %{{.*}} : !tile.shared<1 x{{ *}}[16, 8], f32, #[[swizzled]]>, !tile.shared<1 x{{ *}}[8, 8], f32, #{{.*}}> -> tensor<16x8xf32, #[[rows]]>
  %b = tile.alloc : !tile.shared<1 x [8, 8], f32, #tile.layout<offset = [1, 2, 4, 8, 16, 32]>>
  %d = tile.dot %a, %b, %c : !tile.shared<1 x [16, 8], f32, #linear>, !tile.shared<1 x [8, 8], f32, #tile.layout<offset = [1, 2, 4, 8, 16, 32]>> -> tensor<16x8xf32, #rows>
  return %d : tensor<16x8xf32, #rows>
}
