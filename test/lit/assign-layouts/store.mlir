// RUN: treadle-opt %s --tile-assign-layouts --split-input-file | FileCheck %s

// An accumulator that is stored as bf16 is first converted to whole rows: a thread of the accumulator has 4 bytes only.
// CHECK-LABEL: func @bf16
func.func @bf16(%x: !tile.view<?x?xbf16, align = 16> {tile.name = "x", tile.dims = ["M", "K"]})
    attributes {tile.kernel, tile.grid = affine_map<()[M] -> (M)>, tile.grid_dims = ["M"]} {
  %c0 = arith.constant 0 : index
  %zero = arith.constant dense<0.0> : tensor<64x64xf32>
  %a = tile.load %x[%c0, %c0] along [0, 1] : !tile.view<?x?xbf16, align = 16> -> tensor<64x64xbf16>
  // CHECK: %[[sums:.*]] = tile.dot
  // CHECK: %[[rounded:.*]] = arith.truncf %[[sums]]
  // CHECK: %[[rows:.*]] = tile.convert_layout %[[rounded]] : tensor<64x64xbf16, #{{.*}}> -> tensor<64x64xbf16, #{{.*}}>
  // CHECK: tile.store %[[rows]]
  %d = tile.dot %a, %a, %zero : tensor<64x64xbf16>, tensor<64x64xbf16> -> tensor<64x64xf32>
  %o = arith.truncf %d : tensor<64x64xf32> to tensor<64x64xbf16>
  tile.store %o, %x[%c0, %c0] along [0, 1] : tensor<64x64xbf16>, !tile.view<?x?xbf16, align = 16>
  return
}

// -----

// An accumulator that is stored as f32 fills whole sectors of 32 bytes as it is: no conversion.
// CHECK-LABEL: func @f32
func.func @f32(%x: !tile.view<?x?xbf16, align = 16> {tile.name = "x", tile.dims = ["M", "K"]},
               %y: !tile.view<?x?xf32, align = 16> {tile.name = "y", tile.dims = ["M", "N"]})
    attributes {tile.kernel, tile.grid = affine_map<()[M] -> (M)>, tile.grid_dims = ["M"]} {
  %c0 = arith.constant 0 : index
  %zero = arith.constant dense<0.0> : tensor<64x64xf32>
  %a = tile.load %x[%c0, %c0] along [0, 1] : !tile.view<?x?xbf16, align = 16> -> tensor<64x64xbf16>
  // CHECK: %[[sums:.*]] = tile.dot
  // CHECK-NOT: tile.convert_layout
  // CHECK: tile.store %[[sums]]
  %d = tile.dot %a, %a, %zero : tensor<64x64xbf16>, tensor<64x64xbf16> -> tensor<64x64xf32>
  tile.store %d, %y[%c0, %c0] along [0, 1] : tensor<64x64xf32>, !tile.view<?x?xf32, align = 16>
  return
}

// -----

// A transposed copy is converted once, between reading rows and writing rows.
// CHECK-LABEL: func @transposed_copy
func.func @transposed_copy(%x: !tile.view<?x?xf32, align = 16> {tile.name = "x", tile.dims = ["M", "N"]})
    attributes {tile.kernel, tile.grid = affine_map<()[M] -> (M)>, tile.grid_dims = ["M"]} {
  %c0 = arith.constant 0 : index
  // CHECK: tile.load
  // CHECK-COUNT-1: tile.convert_layout
  // CHECK-NOT: tile.convert_layout
  // CHECK: return
  %t = tile.load %x[%c0, %c0] along [0, 1] : !tile.view<?x?xf32, align = 16> -> tensor<64x64xf32>
  %u = tile.transpose %t, [1, 0] : tensor<64x64xf32> -> tensor<64x64xf32>
  tile.store %u, %x[%c0, %c0] along [0, 1] : tensor<64x64xf32>, !tile.view<?x?xf32, align = 16>
  return
}
