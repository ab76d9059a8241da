// RUN: treadle-opt %s -split-input-file -tile-lower-to-cpu | FileCheck %s

// Along the contiguous axis: a sum per lane, then the lanes by halves.

// CHECK-LABEL: func.func @rows
// CHECK: %[[S:.*]] = scf.for {{.*}} step %c16_i64 iter_args(%[[ACC:.*]] = %{{.*}}) -> (vector<16xf32>)
// CHECK:   arith.addf %[[ACC]]
// CHECK: llvm.shufflevector %[[S]], %[[S]] [0, 1, 2, 3, 4, 5, 6, 7]
// CHECK: arith.addf %{{.*}} : vector<8xf32>
// CHECK: arith.addf %{{.*}} : vector<4xf32>
// CHECK: arith.addf %{{.*}} : vector<2xf32>
// CHECK: arith.addf %{{.*}} : f32
func.func @rows(%x: !tile.view<4x64xf32> {tile.name = "x", tile.dims = [4, 64]}, %y: !tile.view<4xf32> {tile.name = "y", tile.dims = [4]})
    attributes {tile.kernel, tile.grid = affine_map<() -> (1)>} {
  %c0 = arith.constant 0 : index
  %t = tile.load %x[%c0, %c0] along [0, 1] : !tile.view<4x64xf32> -> tensor<4x64xf32>
  %s = tile.reduce (%t) along 1 { ^bb0(%a: f32, %b: f32):
    %c = arith.addf %a, %b : f32
    tile.yield %c : f32 } : (tensor<4x64xf32>) -> (tensor<4xf32>)
  tile.store %s, %y[%c0] along [0] : tensor<4xf32>, !tile.view<4xf32>
  return
}

// -----

// Along another axis, two tiles together, a region without a neutral element: the first elements start it.

// CHECK-LABEL: func.func @columns
// CHECK: scf.for {{.*}} step %c1_i64 iter_args(%{{.*}}, %{{.*}}) -> (vector<16xf32>, vector<16xi32>)
// CHECK:   arith.cmpf ogt, %{{.*}} : vector<16xf32>
// CHECK:   %[[FIRST:.*]] = arith.cmpi eq, %{{.*}}, %c0_i64
// CHECK:   arith.select %[[FIRST]], %{{.*}} : vector<16xf32>
// CHECK:   arith.select %[[FIRST]], %{{.*}} : vector<16xi32>
// CHECK-NOT: llvm.shufflevector
// CHECK: return
func.func @columns(%x: !tile.view<8x64xf32> {tile.name = "x", tile.dims = [8, 64]}, %k: !tile.view<8x64xi32> {tile.name = "k", tile.dims = [8, 64]},
                   %y: !tile.view<64xi32> {tile.name = "y", tile.dims = [64]})
    attributes {tile.kernel, tile.grid = affine_map<() -> (1)>} {
  %c0 = arith.constant 0 : index
  %t = tile.load %x[%c0, %c0] along [0, 1] : !tile.view<8x64xf32> -> tensor<8x64xf32>
  %i = tile.load %k[%c0, %c0] along [0, 1] : !tile.view<8x64xi32> -> tensor<8x64xi32>
  %m, %j = tile.reduce (%t, %i) along 0 { ^bb0(%a: f32, %ai: i32, %b: f32, %bi: i32):
    %g = arith.cmpf ogt, %a, %b : f32
    %v = arith.select %g, %a, %b : f32
    %w = arith.select %g, %ai, %bi : i32
    tile.yield %v, %w : f32, i32 } : (tensor<8x64xf32>, tensor<8x64xi32>) -> (tensor<64xf32>, tensor<64xi32>)
  tile.store %j, %y[%c0] along [0] : tensor<64xi32>, !tile.view<64xi32>
  return
}

// -----

// A scan of the contiguous axis: within 16 lanes in four steps, then what came before.

// CHECK-LABEL: func.func @scan
// CHECK: scf.for {{.*}} step %c16_i64 iter_args(%[[BEFORE:.*]] = %{{.*}}) -> (f32)
// CHECK:   %[[AT:.*]] = arith.subi %c48_i64, %{{.*}}
// CHECK:   llvm.shufflevector %{{.*}} [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 15]
// CHECK:   arith.addf
// CHECK:   llvm.shufflevector %{{.*}} [8, 9, 10, 11, 12, 13, 14, 15, 8, 9, 10, 11, 12, 13, 14, 15]
// CHECK:   llvm.insertelement %[[BEFORE]]
// CHECK:   llvm.extractelement %{{.*}}[%c0_i64 : i64]
func.func @scan(%x: !tile.view<64xf32> {tile.name = "x", tile.dims = [64]})
    attributes {tile.kernel, tile.grid = affine_map<() -> (1)>} {
  %c0 = arith.constant 0 : index
  %t = tile.load %x[%c0] along [0] : !tile.view<64xf32> -> tensor<64xf32>
  %s = tile.scan (%t) along 0 reverse { ^bb0(%a: f32, %b: f32):
    %c = arith.addf %a, %b : f32
    tile.yield %c : f32 } : (tensor<64xf32>) -> (tensor<64xf32>)
  tile.store %s, %x[%c0] along [0] : tensor<64xf32>, !tile.view<64xf32>
  return
}
