// RUN: treadle-opt %s --tile-assign-layouts --split-input-file | FileCheck %s

// With `align = 16` each thread reads and writes 16 bytes of a row: four f32, then lanes, then warps, along the row first.
// CHECK: #[[rows:layout.*]] = #tile.layout<reg = [1, 2, {{.*}}], lane = [4, 8, 16, 32, 64], warp = [128, 256]>
// CHECK-LABEL: func @aligned_f32
func.func @aligned_f32(%x: !tile.view<?x?xf32, align = 16> {tile.name = "x", tile.dims = ["M", "N"]})
    attributes {tile.kernel, tile.grid = affine_map<()[M] -> (M)>, tile.grid_dims = ["M"]} {
  %c0 = arith.constant 0 : index
  // CHECK: %[[tile:.*]] = tile.load {{.*}} -> tensor<16x128xf32, #[[rows]]>
  // CHECK: %[[double:.*]] = arith.addf %[[tile]], %[[tile]] : tensor<16x128xf32, #[[rows]]>
  // CHECK-NOT: tile.convert_layout
  // CHECK: tile.store %[[double]], {{.*}} : tensor<16x128xf32, #[[rows]]>
  %t = tile.load %x[%c0, %c0] along [0, 1] : !tile.view<?x?xf32, align = 16> -> tensor<16x128xf32>
  %d = arith.addf %t, %t : tensor<16x128xf32>
  tile.store %d, %x[%c0, %c0] along [0, 1] : tensor<16x128xf32>, !tile.view<?x?xf32, align = 16>
  return
}

// -----

// 16-bit elements make vectors of eight.
// CHECK: #[[rows:layout.*]] = #tile.layout<reg = [1, 2, 4, {{.*}}], lane = [8, 16, 32, 64, 128], warp = [256, 512]>
// CHECK-LABEL: func @aligned_bf16
func.func @aligned_bf16(%x: !tile.view<?x?xbf16, align = 16> {tile.name = "x", tile.dims = ["M", "N"]})
    attributes {tile.kernel, tile.grid = affine_map<()[M] -> (M)>, tile.grid_dims = ["M"]} {
  %c0 = arith.constant 0 : index
  // CHECK: tile.load {{.*}} -> tensor<16x256xbf16, #[[rows]]>
  %t = tile.load %x[%c0, %c0] along [0, 1] : !tile.view<?x?xbf16, align = 16> -> tensor<16x256xbf16>
  tile.store %t, %x[%c0, %c0] along [0, 1] : tensor<16x256xbf16>, !tile.view<?x?xbf16, align = 16>
  return
}

// -----

// Half of the alignment, half of the vector.
// CHECK: #[[rows:layout.*]] = #tile.layout<reg = [1, {{.*}}], lane = [2, 4, 8, 16, 32], warp = [64, 128]>
// CHECK-LABEL: func @align_8
func.func @align_8(%x: !tile.view<?x?xf32, align = 8> {tile.name = "x", tile.dims = ["M", "N"]})
    attributes {tile.kernel, tile.grid = affine_map<()[M] -> (M)>, tile.grid_dims = ["M"]} {
  %c0 = arith.constant 0 : index
  // CHECK: tile.load {{.*}} -> tensor<16x128xf32, #[[rows]]>
  %t = tile.load %x[%c0, %c0] along [0, 1] : !tile.view<?x?xf32, align = 8> -> tensor<16x128xf32>
  tile.store %t, %x[%c0, %c0] along [0, 1] : tensor<16x128xf32>, !tile.view<?x?xf32, align = 8>
  return
}

// -----

// Without a promise of alignment neighbouring lanes take neighbouring elements, one each.
// CHECK: #[[rows:layout.*]] = #tile.layout<reg = [{{.*}}], lane = [1, 2, 4, 8, 16], warp = [32, 64]>
// CHECK-LABEL: func @unaligned
func.func @unaligned(%x: !tile.view<?x?xf32> {tile.name = "x", tile.dims = ["M", "N"]})
    attributes {tile.kernel, tile.grid = affine_map<()[M] -> (M)>, tile.grid_dims = ["M"]} {
  %c0 = arith.constant 0 : index
  // CHECK: tile.load {{.*}} -> tensor<16x128xf32, #[[rows]]>
  %t = tile.load %x[%c0, %c0] along [0, 1] : !tile.view<?x?xf32> -> tensor<16x128xf32>
  tile.store %t, %x[%c0, %c0] along [0, 1] : tensor<16x128xf32>, !tile.view<?x?xf32>
  return
}

// -----

// Where the first axis has stride 1, threads go down the columns.
// CHECK: #[[columns:layout.*]] = #tile.layout<reg = [64, 128, {{.*}}], lane = [256, 512, 1024, 2048, 4096], warp = [1, 2]>
// CHECK-LABEL: func @column_major
func.func @column_major(%x: !tile.view<?x?xf32, strides = [1, ?], align = 16> {tile.name = "x", tile.dims = ["M", "N"]})
    attributes {tile.kernel, tile.grid = affine_map<()[M] -> (M)>, tile.grid_dims = ["M"]} {
  %c0 = arith.constant 0 : index
  // CHECK: tile.load {{.*}} -> tensor<128x64xf32, #[[columns]]>
  %t = tile.load %x[%c0, %c0] along [0, 1] : !tile.view<?x?xf32, strides = [1, ?], align = 16> -> tensor<128x64xf32>
  tile.store %t, %x[%c0, %c0] along [0, 1] : tensor<128x64xf32>, !tile.view<?x?xf32, strides = [1, ?], align = 16>
  return
}

// -----

// A view without an axis of stride 1 gives single elements.
// CHECK: #[[rows:layout.*]] = #tile.layout<reg = [{{.*}}], lane = [1, 2, 4, 8, 16], warp = [32, 64]>
// CHECK-LABEL: func @strided
func.func @strided(%x: !tile.view<?x?xf32, strides = [?, 2], align = 16> {tile.name = "x", tile.dims = ["M", "N"]})
    attributes {tile.kernel, tile.grid = affine_map<()[M] -> (M)>, tile.grid_dims = ["M"]} {
  %c0 = arith.constant 0 : index
  // CHECK: tile.load {{.*}} -> tensor<16x128xf32, #[[rows]]>
  %t = tile.load %x[%c0, %c0] along [0, 1] : !tile.view<?x?xf32, strides = [?, 2], align = 16> -> tensor<16x128xf32>
  tile.store %t, %x[%c0, %c0] along [0, 1] : tensor<16x128xf32>, !tile.view<?x?xf32, strides = [?, 2], align = 16>
  return
}

// -----

// A tile smaller than the block keeps all threads busy before vectors grow: 128 elements, one for each of 128 threads.
// CHECK: #[[small:layout.*]] = #tile.layout<reg = [], lane = [1, 2, 4, 8, 16], warp = [32, 64]>
// CHECK-LABEL: func @small
func.func @small(%x: !tile.view<?xf32, align = 16> {tile.name = "x", tile.dims = ["M"]})
    attributes {tile.kernel, tile.grid = affine_map<()[M] -> (M)>, tile.grid_dims = ["M"]} {
  %c0 = arith.constant 0 : index
  // CHECK: tile.load {{.*}} -> tensor<128xf32, #[[small]]>
  %t = tile.load %x[%c0] along [0] : !tile.view<?xf32, align = 16> -> tensor<128xf32>
  tile.store %t, %x[%c0] along [0] : tensor<128xf32>, !tile.view<?xf32, align = 16>
  return
}

// -----

// With fewer elements than threads the surplus threads hold replicas (basis 0).
// CHECK: #[[tiny:layout.*]] = #tile.layout<reg = [], lane = [1, 2, 4, 0, 0], warp = [0, 0]>
// CHECK-LABEL: func @tiny
func.func @tiny(%x: !tile.view<?xf32> {tile.name = "x", tile.dims = ["M"]})
    attributes {tile.kernel, tile.grid = affine_map<()[M] -> (M)>, tile.grid_dims = ["M"]} {
  %c0 = arith.constant 0 : index
  // CHECK: tile.load {{.*}} -> tensor<8xf32, #[[tiny]]>
  %t = tile.load %x[%c0] along [0] : !tile.view<?xf32> -> tensor<8xf32>
  tile.store %t, %x[%c0] along [0] : tensor<8xf32>, !tile.view<?xf32>
  return
}

// -----

// `tile.num_warps` warps share the tile.
// CHECK: #[[rows:layout.*]] = #tile.layout<reg = [1, 2, {{.*}}], lane = [4, 8, 16, 32, 64], warp = [128, 256, 512]>
// CHECK-LABEL: func @eight_warps
func.func @eight_warps(%x: !tile.view<?x?xf32, align = 16> {tile.name = "x", tile.dims = ["M", "N"]})
    attributes {tile.kernel, tile.num_warps = 8 : i32, tile.grid = affine_map<()[M] -> (M)>, tile.grid_dims = ["M"]} {
  %c0 = arith.constant 0 : index
  // CHECK: tile.load {{.*}} -> tensor<16x128xf32, #[[rows]]>
  %t = tile.load %x[%c0, %c0] along [0, 1] : !tile.view<?x?xf32, align = 16> -> tensor<16x128xf32>
  tile.store %t, %x[%c0, %c0] along [0, 1] : tensor<16x128xf32>, !tile.view<?x?xf32, align = 16>
  return
}

// -----

// A function that is no kernel keeps its tensors as they are.
// CHECK-NOT: #tile.layout
// CHECK-LABEL: func @no_kernel
func.func @no_kernel(%x: tensor<8xf32>) -> tensor<8xf32> {
  // CHECK: arith.addf %{{.*}}, %{{.*}} : tensor<8xf32>
  %y = arith.addf %x, %x : tensor<8xf32>
  return %y : tensor<8xf32>
}
