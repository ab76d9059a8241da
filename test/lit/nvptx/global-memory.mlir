// RUN: treadlec %s --emit=gpu | FileCheck %s

// Rows of an aligned view are read and written 16 bytes at a time; the predicate of each access comes from the bounds.
// CHECK-LABEL: llvm.func @vectors
// CHECK: %[[rowOk:.*]] = arith.cmpi slt
// CHECK: %[[columnOk:.*]] = arith.cmpi slt
// CHECK: %[[inside:.*]] = arith.andi %[[rowOk]], %[[columnOk]] : i1
// CHECK: llvm.inline_asm {{.*}} "@$5 ld.global.v4.b32 {$0, $1, $2, $3}, [$4];", "=r,=r,=r,=r,l,b,0,1,2,3" %{{.*}}, %{{.*}}, %{{.*}}
// CHECK: llvm.inline_asm {{.*}} "@$1 st.global.v4.b32 [$0], {$2, $3, $4, $5};", "l,b,r,r,r,r"
func.func @vectors(%x: !tile.view<?x?xf32, align = 16> {tile.name = "vectors_x", tile.dims = ["M", "N"]})
    attributes {tile.kernel, tile.grid = affine_map<()[M, N] -> (M, N)>, tile.grid_dims = ["M", "N"]} {
  %c4 = arith.constant 4 : index
  %c128 = arith.constant 128 : index
  %i = tile.program_id 0
  %j = tile.program_id 1
  %r = arith.muli %i, %c4 : index
  %c = arith.muli %j, %c128 : index
  %t = tile.load %x[%r, %c] along [0, 1] : !tile.view<?x?xf32, align = 16> -> tensor<4x128xf32>
  tile.store %t, %x[%r, %c] along [0, 1] : tensor<4x128xf32>, !tile.view<?x?xf32, align = 16>
  return
}

// A tile that lies within a static view needs no predicate: plain vector loads and stores.
// CHECK-LABEL: llvm.func @no_predicate
// CHECK-NOT: llvm.inline_asm
// CHECK: llvm.load {{.*}} {alignment = 16 : i64} : !llvm.ptr<1> -> vector<4xi32>
// CHECK-NOT: llvm.inline_asm
// CHECK: llvm.store {{.*}} {alignment = 16 : i64} : vector<4xi32>, !llvm.ptr<1>
// CHECK-NOT: llvm.inline_asm
// CHECK: llvm.return
func.func @no_predicate(%x: !tile.view<64x128xf32, align = 16> {tile.name = "no_predicate_x", tile.dims = [64, 128]})
    attributes {tile.kernel, tile.grid = affine_map<() -> (1)>} {
  %c0 = arith.constant 0 : index
  %c60 = arith.constant 60 : index
  %t = tile.load %x[%c60, %c0] along [0, 1] : !tile.view<64x128xf32, align = 16> -> tensor<4x128xf32>
  tile.store %t, %x[%c0, %c0] along [0, 1] : tensor<4x128xf32>, !tile.view<64x128xf32, align = 16>
  return
}

// A tile that sticks out of a static view is predicated along that axis.
// CHECK-LABEL: llvm.func @sticks_out
// CHECK: "@$5 ld.global.v4.b32
func.func @sticks_out(%x: !tile.view<64x128xf32, align = 16> {tile.name = "sticks_out_x", tile.dims = [64, 128]})
    attributes {tile.kernel, tile.grid = affine_map<() -> (1)>} {
  %c0 = arith.constant 0 : index
  %c62 = arith.constant 62 : index
  %t = tile.load %x[%c62, %c0] along [0, 1] : !tile.view<64x128xf32, align = 16> -> tensor<4x128xf32>
  tile.store %t, %x[%c0, %c0] along [0, 1] : tensor<4x128xf32>, !tile.view<64x128xf32, align = 16>
  return
}

// Vectors are no wider than what divides a static row: 6 elements allow pairs.
// CHECK-LABEL: llvm.func @static_row
// CHECK-NOT: ld.global.v4
// CHECK: ld.global.v2.b32
// CHECK-NOT: ld.global.v4
func.func @static_row(%x: !tile.view<?x6xf32, strides = [8, 1], align = 16> {tile.name = "static_row_x", tile.dims = ["M", 6]})
    attributes {tile.kernel, tile.num_warps = 1 : i32, tile.grid = affine_map<()[M] -> (M)>, tile.grid_dims = ["M"]} {
  %c0 = arith.constant 0 : index
  %t = tile.load %x[%c0, %c0] along [0, 1] : !tile.view<?x6xf32, strides = [8, 1], align = 16> -> tensor<64x8xf32>
  tile.store %t, %x[%c0, %c0] along [0, 1] : tensor<64x8xf32>, !tile.view<?x6xf32, strides = [8, 1], align = 16>
  return
}

// A start that nothing is known of allows no vectors, whatever the view promises.
// CHECK-LABEL: llvm.func @unknown_start
// CHECK-NOT: ld.global.v
// CHECK: ld.global.b32
// CHECK-NOT: ld.global.v
func.func @unknown_start(%x: !tile.view<?xf32, align = 16> {tile.name = "unknown_start_x", tile.dims = ["M"]}, %at: index {tile.name = "unknown_start_at"})
    attributes {tile.kernel, tile.grid = affine_map<()[M] -> (M)>, tile.grid_dims = ["M"]} {
  %t = tile.load %x[%at] along [0] : !tile.view<?xf32, align = 16> -> tensor<512xf32>
  tile.store %t, %x[%at] along [0] : tensor<512xf32>, !tile.view<?xf32, align = 16>
  return
}

// A start that may be negative is also bounded from below.
// CHECK-LABEL: llvm.func @negative_start
// CHECK: arith.cmpi slt
// CHECK: arith.cmpi sge
// CHECK: ld.global
func.func @negative_start(%x: !tile.view<?xf32> {tile.name = "negative_start_x", tile.dims = ["M"]})
    attributes {tile.kernel, tile.grid = affine_map<()[M] -> (M)>, tile.grid_dims = ["M"]} {
  %c1 = arith.constant 1 : index
  %i = tile.program_id 0
  %before = arith.subi %i, %c1 : index
  %t = tile.load %x[%before] along [0] : !tile.view<?xf32> -> tensor<128xf32>
  tile.store %t, %x[%i] along [0] : tensor<128xf32>, !tile.view<?xf32>
  return
}

// A start that cannot be negative is bounded from above only.
// CHECK-LABEL: llvm.func @positive_start
// CHECK-NOT: arith.cmpi sge
// CHECK: llvm.return
func.func @positive_start(%x: !tile.view<?xf32> {tile.name = "positive_start_x", tile.dims = ["M"]})
    attributes {tile.kernel, tile.grid = affine_map<()[M] -> (M)>, tile.grid_dims = ["M"]} {
  %c128 = arith.constant 128 : index
  %i = tile.program_id 0
  %r = arith.muli %i, %c128 : index
  %t = tile.load %x[%r] along [0] : !tile.view<?xf32> -> tensor<128xf32>
  tile.store %t, %x[%r] along [0] : tensor<128xf32>, !tile.view<?xf32>
  return
}

// What is out of bounds reads as `other`, which is what the registers hold before the load.
// CHECK-LABEL: llvm.func @other
// CHECK: %[[pad:.*]] = arith.constant 0xFF800000 : f32
// CHECK: %[[bits:.*]] = arith.bitcast %[[pad]] : f32 to i32
// CHECK: llvm.inline_asm {{.*}} "@$2 ld.global.b32 $0, [$1];", "=r,l,b,0" %{{.*}}, %{{.*}}, %[[bits]]
func.func @other(%x: !tile.view<?xf32> {tile.name = "other_x", tile.dims = ["M"]})
    attributes {tile.kernel, tile.grid = affine_map<()[M] -> (M)>, tile.grid_dims = ["M"]} {
  %c0 = arith.constant 0 : index
  %inf = arith.constant 0xFF800000 : f32
  %t = tile.load %x[%c0] along [0] other(%inf : f32) : !tile.view<?xf32> -> tensor<128xf32>
  tile.store %t, %x[%c0] along [0] : tensor<128xf32>, !tile.view<?xf32>
  return
}

// A plain index is checked too, and as unsigned: a negative one is out of bounds.
// CHECK-LABEL: llvm.func @plain_index
// CHECK: arith.cmpi ult
// CHECK: ld.global.b32
func.func @plain_index(%x: !tile.view<?x128xf32> {tile.name = "plain_index_x", tile.dims = ["M", 128]}, %row: index {tile.name = "plain_index_row"})
    attributes {tile.kernel, tile.grid = affine_map<()[M] -> (M)>, tile.grid_dims = ["M"]} {
  %c0 = arith.constant 0 : index
  %t = tile.load %x[%row, %c0] along [1] : !tile.view<?x128xf32> -> tensor<128xf32>
  tile.store %t, %x[%row, %c0] along [1] : tensor<128xf32>, !tile.view<?x128xf32>
  return
}

// A scalar is read by every thread and written by one.
// CHECK-LABEL: llvm.func @scalar
// CHECK: %[[tid:.*]] = nvvm.read.ptx.sreg.tid.x
// CHECK: %[[lane:.*]] = arith.andi %[[tid]], %c31
// CHECK: "@$2 ld.global.b32 $0, [$1];"
// CHECK: arith.andi %[[lane]], %c31
// CHECK: arith.cmpi eq
// CHECK: "@$1 st.global.b32 [$0], $2;"
// CHECK: llvm.return
func.func @scalar(%x: !tile.view<?xf32> {tile.name = "scalar_x", tile.dims = ["M"]})
    attributes {tile.kernel, tile.grid = affine_map<()[M] -> (M)>, tile.grid_dims = ["M"]} {
  %i = tile.program_id 0
  %v = tile.load %x[%i] along [] : !tile.view<?xf32> -> f32
  tile.store %v, %x[%i] along [] : f32, !tile.view<?xf32>
  return
}

// Of threads that hold the same element only the first stores it: 8 elements, 128 threads.
// CHECK-LABEL: llvm.func @replicas
// CHECK-DAG: %[[tid:.*]] = nvvm.read.ptx.sreg.tid.x
// CHECK-DAG: arith.andi %{{.*}}, %c24_i32
// CHECK: arith.cmpi eq
// CHECK: arith.andi %{{.*}}, %c3_i32
// CHECK: arith.cmpi eq
// CHECK-COUNT-1: st.global.b32
// CHECK-NOT: st.global
// CHECK: llvm.return
func.func @replicas(%x: !tile.view<?xf32> {tile.name = "replicas_x", tile.dims = ["M"]})
    attributes {tile.kernel, tile.num_warps = 4 : i32, tile.grid = affine_map<()[M] -> (M)>, tile.grid_dims = ["M"]} {
  %c0 = arith.constant 0 : index
  %t = tile.load %x[%c0] along [0] : !tile.view<?xf32> -> tensor<8xf32>
  tile.store %t, %x[%c0] along [0] : tensor<8xf32>, !tile.view<?xf32>
  return
}

// A transposed view is read down its columns, in vectors.
// CHECK-LABEL: llvm.func @column_major
// CHECK: ld.global.v4.b32
func.func @column_major(%x: !tile.view<?x?xf32, strides = [1, ?], align = 16> {tile.name = "column_major_x", tile.dims = ["M", "N"]})
    attributes {tile.kernel, tile.grid = affine_map<()[M] -> (M)>, tile.grid_dims = ["M"]} {
  %c0 = arith.constant 0 : index
  %t = tile.load %x[%c0, %c0] along [0, 1] : !tile.view<?x?xf32, strides = [1, ?], align = 16> -> tensor<128x4xf32>
  tile.store %t, %x[%c0, %c0] along [0, 1] : tensor<128x4xf32>, !tile.view<?x?xf32, strides = [1, ?], align = 16>
  return
}
