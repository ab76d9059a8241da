// RUN: treadle-opt %s --tile-assign-layouts --canonicalize --cse --tile-pipeline | FileCheck %s

// In nested loops the inner one is pipelined anew each time; the outer one's own copies run ahead as well.
// CHECK-LABEL: func @nested
func.func @nested(%x: !tile.view<?x?xbf16, align = 16> {tile.name = "x", tile.dims = ["M", "K"]},
                  %y: !tile.view<?x?xf32, align = 16> {tile.name = "y", tile.dims = ["M", "N"]})
    attributes {tile.kernel, tile.num_stages = 2 : i32, tile.grid = affine_map<()[M] -> (M)>, tile.grid_dims = ["M"]} {
  // CHECK-COUNT-2: tile.alloc : !tile.shared<2 x
  // CHECK: tile.async_load
  // CHECK-NEXT: tile.async_commit
  // CHECK: scf.for
  // CHECK-NEXT: tile.async_wait 0
  // CHECK: tile.async_load
  // CHECK-NEXT: tile.async_commit
  // CHECK: tile.async_load
  // CHECK-NEXT: tile.async_commit
  // CHECK: scf.for
  // CHECK-NEXT: tile.async_wait 0
  // CHECK: tile.async_load
  // CHECK-NEXT: tile.async_commit
  // CHECK: tile.dot
  // CHECK: }
  // CHECK-NEXT: tile.async_wait 0
  // CHECK: }
  // CHECK-NEXT: tile.async_wait 0
  %c0 = arith.constant 0 : index
  %c64 = arith.constant 64 : index
  %n = tile.dim %x, 1 : !tile.view<?x?xbf16, align = 16>
  %zero = arith.constant dense<0.0> : tensor<64x64xf32>
  %all = scf.for %j = %c0 to %n step %c64 iter_args(%outer = %zero) -> (tensor<64x64xf32>) {
    %b = tile.load %x[%j, %c0] along [0, 1] : !tile.view<?x?xbf16, align = 16> -> tensor<64x64xbf16>
    %sums = scf.for %i = %c0 to %n step %c64 iter_args(%acc = %outer) -> (tensor<64x64xf32>) {
      %a = tile.load %x[%j, %i] along [0, 1] : !tile.view<?x?xbf16, align = 16> -> tensor<64x64xbf16>
      %d = tile.dot %a, %b, %acc : tensor<64x64xbf16>, tensor<64x64xbf16> -> tensor<64x64xf32>
      scf.yield %d : tensor<64x64xf32>
    }
    scf.yield %sums : tensor<64x64xf32>
  }
  tile.store %all, %y[%c0, %c0] along [0, 1] : tensor<64x64xf32>, !tile.view<?x?xf32, align = 16>
  return
}
