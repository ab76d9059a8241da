// RUN: treadle-opt %s --tile-assign-layouts --split-input-file | FileCheck %s

// A cheap value that is needed in two layouts is computed twice, not converted.
// CHECK-LABEL: func @iota_twice
func.func @iota_twice(%x: !tile.view<?x?xi32, align = 16> {tile.name = "x", tile.dims = ["M", "N"]},
                      %y: !tile.view<?x?xi32, strides = [1, ?], align = 16> {tile.name = "y", tile.dims = ["M", "N"]})
    attributes {tile.kernel, tile.grid = affine_map<()[M] -> (M)>, tile.grid_dims = ["M"]} {
  %c0 = arith.constant 0 : index
  %i = tile.iota : tensor<64xi32>
  %e = tile.expand_dims %i, 0 : tensor<64xi32> -> tensor<1x64xi32>
  %b = tile.broadcast %e : tensor<1x64xi32> -> tensor<64x64xi32>
  // CHECK-NOT: tile.convert_layout
  // CHECK-DAG: tile.store {{.*}} : tensor<64x64xi32, #[[rows:[a-z0-9]+]]>, !tile.view<?x?xi32, align = 16>
  // CHECK-DAG: tile.store {{.*}} : tensor<64x64xi32, #[[columns:[a-z0-9]+]]>, !tile.view<?x?xi32, strides = [1, ?], align = 16>
  // CHECK-NOT: tile.convert_layout
  tile.store %b, %x[%c0, %c0] along [0, 1] : tensor<64x64xi32>, !tile.view<?x?xi32, align = 16>
  tile.store %b, %y[%c0, %c0] along [0, 1] : tensor<64x64xi32>, !tile.view<?x?xi32, strides = [1, ?], align = 16>
  return
}

// -----

// A value that a reduction made is converted where another layout is needed: reducing twice would cost more.
// CHECK-LABEL: func @reduced_once
func.func @reduced_once(%x: !tile.view<?x?xf32, align = 16> {tile.name = "x", tile.dims = ["M", "N"]})
    attributes {tile.kernel, tile.grid = affine_map<()[M] -> (M)>, tile.grid_dims = ["M"]} {
  %c0 = arith.constant 0 : index
  %t = tile.load %x[%c0, %c0] along [0, 1] : !tile.view<?x?xf32, align = 16> -> tensor<64x64xf32>
  // CHECK: %[[sums:.*]] = tile.reduce
  // CHECK-NOT: tile.reduce
  // CHECK: tile.convert_layout %[[sums]]
  %s = tile.reduce (%t) along 1 {
  ^bb0(%a: f32, %b: f32):
    %c = arith.addf %a, %b : f32
    tile.yield %c : f32
  } : (tensor<64x64xf32>) -> (tensor<64xf32>)
  %e = tile.expand_dims %s, 0 : tensor<64xf32> -> tensor<1x64xf32>
  %w = tile.broadcast %e : tensor<1x64xf32> -> tensor<64x64xf32>
  %o = arith.divf %t, %w : tensor<64x64xf32>
  tile.store %o, %x[%c0, %c0] along [0, 1] : tensor<64x64xf32>, !tile.view<?x?xf32, align = 16>
  return
}

// -----

// Rows that are reduced and normalized stay where they were read: softmax needs no conversion.
// CHECK-LABEL: func @softmax
func.func @softmax(%x: !tile.view<?x?xf32, align = 16> {tile.name = "x", tile.dims = ["M", "N"]})
    attributes {tile.kernel, tile.grid = affine_map<()[M] -> (M)>, tile.grid_dims = ["M"]} {
  %c0 = arith.constant 0 : index
  // CHECK: tile.load {{.*}} -> tensor<4x1024xf32, #[[rows:.*]]>
  // CHECK-NOT: tile.convert_layout
  // CHECK: tile.store {{.*}} : tensor<4x1024xf32, #[[rows]]>
  %t = tile.load %x[%c0, %c0] along [0, 1] : !tile.view<?x?xf32, align = 16> -> tensor<4x1024xf32>
  %m = tile.reduce (%t) along 1 {
  ^bb0(%a: f32, %b: f32):
    %c = arith.maximumf %a, %b : f32
    tile.yield %c : f32
  } : (tensor<4x1024xf32>) -> (tensor<4xf32>)
  %e = tile.expand_dims %m, 1 : tensor<4xf32> -> tensor<4x1xf32>
  %w = tile.broadcast %e : tensor<4x1xf32> -> tensor<4x1024xf32>
  %d = arith.subf %t, %w : tensor<4x1024xf32>
  %p = math.exp2 %d : tensor<4x1024xf32>
  tile.store %p, %x[%c0, %c0] along [0, 1] : tensor<4x1024xf32>, !tile.view<?x?xf32, align = 16>
  return
}
