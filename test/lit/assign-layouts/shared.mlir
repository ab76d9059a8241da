// RUN: treadle-opt %s --tile-assign-layouts --split-input-file | FileCheck %s

// Operand B of tf32 comes without ldmatrix: 4 rows (32, 64 are the low bits of their number) of 8 neighbours at a time.
// The rows exchange chunks of 4 so that 4 of them are in different banks; the rows beyond are not exchanged. Operand A
// comes by ldmatrix, 8 rows at a time, as the hardware's swizzle has them.
// CHECK-DAG: #[[b:shared.*]] = #tile.layout<offset = [1, 2, 4, 8, 16, 60, 84, 128, 256, 512]>
// CHECK-DAG: #[[a:shared.*]] = #tile.layout<offset = [1, 2, 4, 8, 16, 36, 72, 144, 256, 512]>
// CHECK-LABEL: func @tf32
func.func @tf32(%x: !tile.view<?x?xf32, align = 16> {tile.name = "x", tile.dims = ["M", "K"]},
                %w: !tile.view<?x?xf32, align = 16> {tile.name = "w", tile.dims = ["K", "N"]},
                %y: !tile.view<?x?xf32, align = 16> {tile.name = "y", tile.dims = ["M", "N"]})
    attributes {tile.kernel, tile.grid = affine_map<()[M] -> (M)>, tile.grid_dims = ["M"]} {
  // CHECK-DAG: tile.async_load %{{.*}} into %[[left:.*]] : {{.*}} -> !tile.shared<1 x{{ *}}[32, 32], f32, #[[a]]>
  // CHECK-DAG: tile.async_load %{{.*}} into %[[right:.*]] : {{.*}} -> !tile.shared<1 x{{ *}}[32, 32], f32, #[[b]]>
  // CHECK-DAG: tile.local_load %[[left]]
  // CHECK-DAG: tile.local_load %[[right]]
  %c0 = arith.constant 0 : index
  %zero = arith.constant dense<0.0> : tensor<32x32xf32>
  %a = tile.load %x[%c0, %c0] along [0, 1] : !tile.view<?x?xf32, align = 16> -> tensor<32x32xf32>
  %b = tile.load %w[%c0, %c0] along [0, 1] : !tile.view<?x?xf32, align = 16> -> tensor<32x32xf32>
  %d = tile.dot %a, %b, %zero precision tf32 : tensor<32x32xf32>, tensor<32x32xf32> -> tensor<32x32xf32>
  tile.store %d, %y[%c0, %c0] along [0, 1] : tensor<32x32xf32>, !tile.view<?x?xf32, align = 16>
  return
}

// -----

// One tile that two products read, as rows and as columns, suits both: 8 rows have different chunks, and 4 of them
// differ by more than the lowest bit of the chunk.
// CHECK-DAG: #[[both:shared.*]] = #tile.layout<offset = [1, 2, 4, 8, 16, 60, 84, 152, 256, 512]>
// CHECK-LABEL: func @rows_and_columns
func.func @rows_and_columns(%x: !tile.view<?x?xf32, align = 16> {tile.name = "x", tile.dims = ["M", "K"]},
                            %y: !tile.view<?x?xf32, align = 16> {tile.name = "y", tile.dims = ["M", "N"]})
    attributes {tile.kernel, tile.grid = affine_map<()[M] -> (M)>, tile.grid_dims = ["M"]} {
  // CHECK: tile.alloc : !tile.shared<1 x{{ *}}[32, 32], f32, #[[both]]>
  // CHECK-NOT: tile.alloc
  %c0 = arith.constant 0 : index
  %zero = arith.constant dense<0.0> : tensor<32x32xf32>
  %a = tile.load %x[%c0, %c0] along [0, 1] : !tile.view<?x?xf32, align = 16> -> tensor<32x32xf32>
  %d = tile.dot %a, %a, %zero precision tf32 : tensor<32x32xf32>, tensor<32x32xf32> -> tensor<32x32xf32>
  tile.store %d, %y[%c0, %c0] along [0, 1] : tensor<32x32xf32>, !tile.view<?x?xf32, align = 16>
  return
}

// -----

// Without tensor cores 4 rows of A are read at a time, 4 apart: those exchange chunks. Rows of B are read as they lie.
// CHECK-DAG: #[[a:shared.*]] = #tile.layout<offset = [1, 2, 4, 8, 16, 32, 64, 156, 280, 512, 1024]>
// CHECK-DAG: #[[b:shared.*]] = #tile.layout<offset = [1, 2, 4, 8, 16, 68, 136, 272, 512, 1024, 32]>
// CHECK-LABEL: func @ieee
func.func @ieee(%x: !tile.view<?x?xf32, align = 16> {tile.name = "x", tile.dims = ["M", "K"]},
                %w: !tile.view<?x?xf32, align = 16> {tile.name = "w", tile.dims = ["K", "N"]},
                %y: !tile.view<?x?xf32, align = 16> {tile.name = "y", tile.dims = ["M", "N"]})
    attributes {tile.kernel, tile.grid = affine_map<()[M] -> (M)>, tile.grid_dims = ["M"]} {
  // CHECK-DAG: tile.async_load {{.*}} into %[[left:[0-9]+]] : {{.*}} -> !tile.shared<1 x{{ *}}[64, 32], f32, #[[a]]>
  // CHECK-DAG: tile.async_load {{.*}} into %[[right:[0-9]+]] : {{.*}} -> !tile.shared<1 x{{ *}}[32, 64], f32, #[[b]]>
  // CHECK: tile.dot %[[left]], %[[right]],
  %c0 = arith.constant 0 : index
  %zero = arith.constant dense<0.0> : tensor<64x64xf32>
  %a = tile.load %x[%c0, %c0] along [0, 1] : !tile.view<?x?xf32, align = 16> -> tensor<64x32xf32>
  %b = tile.load %w[%c0, %c0] along [0, 1] : !tile.view<?x?xf32, align = 16> -> tensor<32x64xf32>
  %d = tile.dot %a, %b, %zero : tensor<64x32xf32>, tensor<32x64xf32> -> tensor<64x64xf32>
  tile.store %d, %y[%c0, %c0] along [0, 1] : tensor<64x64xf32>, !tile.view<?x?xf32, align = 16>
  return
}

// -----

// What is computed lies as it is read: the left operand, held in pieces of 4 by 4, in columns (64, 128 are rows), so that
// 4 of its rows are read at once.
// CHECK-DAG: #[[columns:shared.*]] = #tile.layout<offset = [64, 128, 256, 512, 1024, {{.*}}]>
// CHECK-LABEL: func @computed
func.func @computed(%x: !tile.view<?x?xf32, align = 16> {tile.name = "x", tile.dims = ["M", "K"]},
                    %y: !tile.view<?x?xf32, align = 16> {tile.name = "y", tile.dims = ["M", "N"]})
    attributes {tile.kernel, tile.grid = affine_map<()[M] -> (M)>, tile.grid_dims = ["M"]} {
  // CHECK: %[[first:.*]] = tile.dot
  // CHECK: tile.local_store %[[first]], %[[slot:.*]] : {{.*}} #[[columns]]>
  // CHECK: tile.dot %[[slot]],
  %c0 = arith.constant 0 : index
  %zero = arith.constant dense<0.0> : tensor<64x64xf32>
  %t = tile.load %x[%c0, %c0] along [0, 1] : !tile.view<?x?xf32, align = 16> -> tensor<64x64xf32>
  %d = tile.dot %t, %t, %zero : tensor<64x64xf32>, tensor<64x64xf32> -> tensor<64x64xf32>
  %e = tile.dot %d, %t, %zero : tensor<64x64xf32>, tensor<64x64xf32> -> tensor<64x64xf32>
  tile.store %e, %y[%c0, %c0] along [0, 1] : tensor<64x64xf32>, !tile.view<?x?xf32, align = 16>
  return
}

// -----

// A transpose of it has the same bytes: the columns of one are the rows of the other.
// CHECK-DAG: #[[rows:shared.*]] = #tile.layout<offset = [1, 2, 4, 8, 16, {{.*}}]>
// CHECK-DAG: #[[columns:shared.*]] = #tile.layout<offset = [64, 128, 256, 512, 1024, {{.*}}]>
// CHECK-LABEL: func @transposed
func.func @transposed(%x: !tile.view<?x?xf32, align = 16> {tile.name = "x", tile.dims = ["M", "K"]},
                      %y: !tile.view<?x?xf32, align = 16> {tile.name = "y", tile.dims = ["M", "N"]})
    attributes {tile.kernel, tile.grid = affine_map<()[M] -> (M)>, tile.grid_dims = ["M"]} {
  // CHECK: %[[slot:.*]] = tile.alloc : !tile.shared<1 x{{ *}}[64, 64], f32, #[[rows]]>
  // CHECK: tile.shared_transpose %[[slot]], [1, 0] : {{.*}} #[[rows]]> -> {{.*}} #[[columns]]>
  %c0 = arith.constant 0 : index
  %zero = arith.constant dense<0.0> : tensor<64x64xf32>
  %t = tile.load %x[%c0, %c0] along [0, 1] : !tile.view<?x?xf32, align = 16> -> tensor<64x64xf32>
  %f = tile.transpose %t, [1, 0] : tensor<64x64xf32> -> tensor<64x64xf32>
  %d = tile.dot %t, %f, %zero : tensor<64x64xf32>, tensor<64x64xf32> -> tensor<64x64xf32>
  tile.store %d, %y[%c0, %c0] along [0, 1] : tensor<64x64xf32>, !tile.view<?x?xf32, align = 16>
  return
}
