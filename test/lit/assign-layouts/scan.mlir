// RUN: treadle-opt %s --tile-assign-layouts --split-input-file | FileCheck %s

// A scan down columns keeps the whole scanned axis in registers where the columns have work for every thread: rows are
// the bases 256, 512, 1024.
// CHECK-DAG: #[[columns:layout.*]] = #tile.layout<reg = [{{[0-9, ]*}}256, 512, 1024], lane = [{{[0-9, ]+}}], warp = [{{(32|64|128), (32|64|128)}}]>
// CHECK-LABEL: func @time
func.func @time(%x: !tile.view<?x?xf32, align = 16> {tile.name = "x", tile.dims = ["T", "D"]})
    attributes {tile.kernel, tile.num_warps = 4 : i32, tile.grid = affine_map<()[T] -> (T)>, tile.grid_dims = ["T"]} {
  %c0 = arith.constant 0 : index
  %t = tile.load %x[%c0, %c0] along [0, 1] : !tile.view<?x?xf32, align = 16> -> tensor<8x256xf32>
  // CHECK: } : (tensor<8x256xf32, #[[columns]]>) -> tensor<8x256xf32, #[[columns]]>
  %s = tile.scan (%t) along 0 {
  ^bb0(%a: f32, %b: f32):
    %c = arith.addf %a, %b : f32
    tile.yield %c : f32
  } : (tensor<8x256xf32>) -> (tensor<8x256xf32>)
  tile.store %s, %x[%c0, %c0] along [0, 1] : tensor<8x256xf32>, !tile.view<?x?xf32, align = 16>
  return
}

// -----

// A scan along rows leaves the warps to the rows: no warp waits for another. Rows are the bases from 256 on.
// CHECK-DAG: #[[rows:layout.*]] = #tile.layout<reg = [{{[0-9, ]+}}], lane = [{{[0-9, ]+}}], warp = [256, 512]>
// CHECK-LABEL: func @rows
func.func @rows(%x: !tile.view<?x?xf32, align = 16> {tile.name = "x", tile.dims = ["M", "N"]})
    attributes {tile.kernel, tile.num_warps = 4 : i32, tile.grid = affine_map<()[M] -> (M)>, tile.grid_dims = ["M"]} {
  %c0 = arith.constant 0 : index
  %t = tile.load %x[%c0, %c0] along [0, 1] : !tile.view<?x?xf32, align = 16> -> tensor<4x256xf32>
  // CHECK: } : (tensor<4x256xf32, #[[rows]]>) -> tensor<4x256xf32, #[[rows]]>
  %s = tile.scan (%t) along 1 {
  ^bb0(%a: f32, %b: f32):
    %c = arith.addf %a, %b : f32
    tile.yield %c : f32
  } : (tensor<4x256xf32>) -> (tensor<4x256xf32>)
  tile.store %s, %x[%c0, %c0] along [0, 1] : tensor<4x256xf32>, !tile.view<?x?xf32, align = 16>
  return
}

// -----

// A long scan of rank 1 is spread over all threads; its steps go from registers to lanes to warps.
// CHECK-DAG: #[[line:layout.*]] = #tile.layout<reg = [1, {{[0-9, ]*}}], lane = [{{[0-9, ]+}}], warp = [1024, 2048]>
// CHECK-LABEL: func @line
func.func @line(%x: !tile.view<?xf32, align = 16> {tile.name = "x", tile.dims = ["M"]})
    attributes {tile.kernel, tile.num_warps = 4 : i32, tile.grid = affine_map<()[M] -> (M)>, tile.grid_dims = ["M"]} {
  %c0 = arith.constant 0 : index
  %t = tile.load %x[%c0] along [0] : !tile.view<?xf32, align = 16> -> tensor<4096xf32>
  // CHECK: } : (tensor<4096xf32, #[[line]]>) -> tensor<4096xf32, #[[line]]>
  %s = tile.scan (%t) along 0 {
  ^bb0(%a: f32, %b: f32):
    %c = arith.addf %a, %b : f32
    tile.yield %c : f32
  } : (tensor<4096xf32>) -> (tensor<4096xf32>)
  tile.store %s, %x[%c0] along [0] : tensor<4096xf32>, !tile.view<?xf32, align = 16>
  return
}
