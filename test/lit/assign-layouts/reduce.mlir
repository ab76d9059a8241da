// RUN: treadle-opt %s --tile-assign-layouts --split-input-file | FileCheck %s

// A row sum has its operand's layout without the column bits: the lanes of a row hold the same sum, and replicated
// registers are dropped.
// CHECK-DAG: #[[tile:layout.*]] = #tile.layout<reg = [1, 2, 512], lane = [4, 8, 16, 32, 64], warp = [128, 256]>
// CHECK-DAG: #[[sums:layout.*]] = #tile.layout<reg = [8], lane = [0, 0, 0, 0, 1], warp = [2, 4]>
// CHECK-LABEL: func @rows
func.func @rows(%x: !tile.view<?x?xf32, align = 16> {tile.name = "x", tile.dims = ["M", "N"]},
                %y: !tile.view<?xf32> {tile.name = "y", tile.dims = ["M"]})
    attributes {tile.kernel, tile.grid = affine_map<()[M] -> (M)>, tile.grid_dims = ["M"]} {
  %c0 = arith.constant 0 : index
  %t = tile.load %x[%c0, %c0] along [0, 1] : !tile.view<?x?xf32, align = 16> -> tensor<16x64xf32>
  // CHECK: } : (tensor<16x64xf32, #[[tile]]>) -> tensor<16xf32, #[[sums]]>
  // CHECK-NOT: tile.convert_layout
  // CHECK: tile.store {{.*}} : tensor<16xf32, #[[sums]]>
  %s = tile.reduce (%t) along 1 {
  ^bb0(%a: f32, %b: f32):
    %c = arith.addf %a, %b : f32
    tile.yield %c : f32
  } : (tensor<16x64xf32>) -> (tensor<16xf32>)
  tile.store %s, %y[%c0] along [0] : tensor<16xf32>, !tile.view<?xf32>
  return
}

// -----

// A column sum loses the row bits instead.
// CHECK-DAG: #[[tile:layout.*]] = #tile.layout<reg = [1, 2, 512], lane = [4, 8, 16, 32, 64], warp = [128, 256]>
// CHECK-DAG: #[[sums:layout.*]] = #tile.layout<reg = [1, 2], lane = [4, 8, 16, 32, 0], warp = [0, 0]>
// CHECK-LABEL: func @columns
func.func @columns(%x: !tile.view<?x?xf32, align = 16> {tile.name = "x", tile.dims = ["M", "N"]},
                   %y: !tile.view<?xf32> {tile.name = "y", tile.dims = ["N"]})
    attributes {tile.kernel, tile.grid = affine_map<()[M] -> (M)>, tile.grid_dims = ["M"]} {
  %c0 = arith.constant 0 : index
  %t = tile.load %x[%c0, %c0] along [0, 1] : !tile.view<?x?xf32, align = 16> -> tensor<16x64xf32>
  // CHECK: } : (tensor<16x64xf32, #[[tile]]>) -> tensor<64xf32, #[[sums]]>
  %s = tile.reduce (%t) along 0 {
  ^bb0(%a: f32, %b: f32):
    %c = arith.addf %a, %b : f32
    tile.yield %c : f32
  } : (tensor<16x64xf32>) -> (tensor<64xf32>)
  tile.store %s, %y[%c0] along [0] : tensor<64xf32>, !tile.view<?xf32>
  return
}

// -----

// A reduction of a tile of rank 1 gives a plain scalar, which has no layout.
// CHECK-LABEL: func @scalar
func.func @scalar(%x: !tile.view<?xf32, align = 16> {tile.name = "x", tile.dims = ["M"]})
    attributes {tile.kernel, tile.grid = affine_map<()[M] -> (M)>, tile.grid_dims = ["M"]} {
  %c0 = arith.constant 0 : index
  %t = tile.load %x[%c0] along [0] : !tile.view<?xf32, align = 16> -> tensor<1024xf32>
  // CHECK: } : (tensor<1024xf32, #{{.*}}>) -> f32
  // CHECK: tile.store %{{.*}}, %{{.*}}[%{{.*}}] along [] : f32, !tile.view<?xf32, align = 16>
  %s = tile.reduce (%t) along 0 {
  ^bb0(%a: f32, %b: f32):
    %c = arith.addf %a, %b : f32
    tile.yield %c : f32
  } : (tensor<1024xf32>) -> f32
  tile.store %s, %x[%c0] along [] : f32, !tile.view<?xf32, align = 16>
  return
}

// -----

// All operands of a reduction have one layout: an iota beside a read is computed in the read's.
// CHECK-LABEL: func @argmax
func.func @argmax(%x: !tile.view<?x?xf32, align = 16> {tile.name = "x", tile.dims = ["M", "N"]},
                  %y: !tile.view<?xi32> {tile.name = "y", tile.dims = ["M"]})
    attributes {tile.kernel, tile.grid = affine_map<()[M] -> (M)>, tile.grid_dims = ["M"]} {
  %c0 = arith.constant 0 : index
  %t = tile.load %x[%c0, %c0] along [0, 1] : !tile.view<?x?xf32, align = 16> -> tensor<16x64xf32>
  %i = tile.iota : tensor<64xi32>
  %e = tile.expand_dims %i, 0 : tensor<64xi32> -> tensor<1x64xi32>
  %w = tile.broadcast %e : tensor<1x64xi32> -> tensor<16x64xi32>
  // CHECK-NOT: tile.convert_layout
  // CHECK: } : (tensor<16x64xf32, #[[tile:.*]]>, tensor<16x64xi32, #[[tile]]>) -> (tensor<16xf32, #[[sums:.*]]>, tensor<16xi32, #[[sums]]>)
  %m, %j = tile.reduce (%t, %w) along 1 {
  ^bb0(%a: f32, %ai: i32, %b: f32, %bi: i32):
    %more = arith.cmpf ogt, %a, %b : f32
    %v = arith.select %more, %a, %b : f32
    %vi = arith.select %more, %ai, %bi : i32
    tile.yield %v, %vi : f32, i32
  } : (tensor<16x64xf32>, tensor<16x64xi32>) -> (tensor<16xf32>, tensor<16xi32>)
  tile.store %j, %y[%c0] along [0] : tensor<16xi32>, !tile.view<?xi32>
  return
}

// -----

// The row sums of an accumulator keep its warps, and come back to it without a conversion.
// CHECK-LABEL: func @accumulator_rows
func.func @accumulator_rows(%x: !tile.view<?x?xbf16, align = 16> {tile.name = "x", tile.dims = ["M", "N"]},
                            %y: !tile.view<?x?xf32, align = 16> {tile.name = "y", tile.dims = ["M", "N"]})
    attributes {tile.kernel, tile.grid = affine_map<()[M] -> (M)>, tile.grid_dims = ["M"]} {
  %c0 = arith.constant 0 : index
  %zero = arith.constant dense<0.0> : tensor<64x64xf32>
  %a = tile.load %x[%c0, %c0] along [0, 1] : !tile.view<?x?xbf16, align = 16> -> tensor<64x64xbf16>
  // CHECK: tile.dot {{.*}} -> tensor<64x64xf32, #[[acc:.*]]>
  %d = tile.dot %a, %a, %zero : tensor<64x64xbf16>, tensor<64x64xbf16> -> tensor<64x64xf32>
  // CHECK: } : (tensor<64x64xf32, #[[acc]]>) -> tensor<64xf32, #[[row:.*]]>
  %s = tile.reduce (%d) along 1 {
  ^bb0(%p: f32, %q: f32):
    %c = arith.addf %p, %q : f32
    tile.yield %c : f32
  } : (tensor<64x64xf32>) -> (tensor<64xf32>)
  // CHECK-NOT: tile.convert_layout
  // CHECK: arith.divf {{.*}} : tensor<64x64xf32, #[[acc]]>
  %e = tile.expand_dims %s, 1 : tensor<64xf32> -> tensor<64x1xf32>
  %w = tile.broadcast %e : tensor<64x1xf32> -> tensor<64x64xf32>
  %o = arith.divf %d, %w : tensor<64x64xf32>
  tile.store %o, %y[%c0, %c0] along [0, 1] : tensor<64x64xf32>, !tile.view<?x?xf32, align = 16>
  return
}
