// RUN: treadle-opt %s --tile-assign-layouts --split-input-file | FileCheck %s

// A row sum has its operand's layout without the column bits: lanes of a row hold the same sum.
// CHECK-DAG: #[[tile:layout.*]] = #tile.layout<reg = [1, 2, 2048], lane = [4, 8, 16, 32, 64], warp = [128, 256]>
// CHECK-LABEL: func @rows
func.func @rows(%x: !tile.view<?x?xf32, align = 16> {tile.name = "x", tile.dims = ["M", "N"]},
                %y: !tile.view<?xf32> {tile.name = "y", tile.dims = ["M"]})
    attributes {tile.kernel, tile.num_warps = 4 : i32, tile.grid = affine_map<()[M] -> (M)>, tile.grid_dims = ["M"]} {
  %c0 = arith.constant 0 : index
  %t = tile.load %x[%c0, %c0] along [0, 1] : !tile.view<?x?xf32, align = 16> -> tensor<16x64xf32>
  // CHECK: } : (tensor<16x64xf32, #[[in:.*]]>) -> tensor<16xf32, #[[out:.*]]>
  // CHECK-NOT: tile.convert_layout
  // CHECK: tile.store {{.*}} : tensor<16xf32, #[[out]]>
  %s = tile.reduce (%t) along 1 {
  ^bb0(%a: f32, %b: f32):
    %c = arith.addf %a, %b : f32
    tile.yield %c : f32
  } : (tensor<16x64xf32>) -> (tensor<16xf32>)
  tile.store %s, %y[%c0] along [0] : tensor<16xf32>, !tile.view<?xf32>
  return
}
