// A program at phase `scheduled` has a layout of the kernel's warps on every tile.
// RUN: rm -rf %t && split-file %s %t
// RUN: not treadlec %t/none.mlir --from=scheduled --emit=ptx 2>&1 | FileCheck %s --check-prefix=NONE
// RUN: not treadlec %t/warps.mlir --from=scheduled --emit=ptx 2>&1 | FileCheck %s --check-prefix=WARPS
// RUN: treadlec %t/helper.mlir --emit=ptx | FileCheck %s --check-prefix=HELPER
// RUN: not treadlec %t/helper.mlir --from=canonical --emit=ptx 2>&1 | FileCheck %s --check-prefix=CALL
// RUN: not treadlec %t/blocks.mlir --emit=tile 2>&1 | FileCheck %s --check-prefix=BLOCKS

// NONE: none.mlir:2:{{.*}}: error: a tile has a #tile.layout from phase 'scheduled' on, found 'tensor<4xf32>'
//--- none.mlir
func.func @k() attributes {tile.kernel, tile.grid = affine_map<() -> (1)>} {
  %z = arith.constant dense<0.0> : tensor<4xf32>
  return
}

// WARPS: warps.mlir:2:{{.*}}: error: expected a layout of 4 warps, as the kernel has, found 1 in 'tensor<32xf32
//--- warps.mlir
func.func @k() attributes {tile.kernel, tile.num_warps = 4 : i32, tile.grid = affine_map<() -> (1)>} {
  %z = arith.constant dense<0.0> : tensor<32xf32, #tile.layout<reg = [], lane = [1, 2, 4, 8, 16], warp = []>>
  return
}

// CALL: helper.mlir:{{.*}}: error: calls are inlined at phase 'tile', found a call of 'rows'
// Functions, public or not, are inlined and dropped.
// HELPER-NOT: .func
// HELPER: .entry k(
// HELPER-NOT: call
// HELPER: add{{.*}}.f32
// HELPER-NOT: call
//--- helper.mlir
func.func @helper(%t: tensor<4x64xf32>) -> tensor<4x64xf32> {
  %b = arith.addf %t, %t : tensor<4x64xf32>
  return %b : tensor<4x64xf32>
}
func.func @rows(%x: !tile.view<4x64xf32, strides = [64, 1]>, %i: index) -> tensor<4x64xf32> {
  %t = tile.load %x[%i, %i] along [0, 1] : !tile.view<4x64xf32, strides = [64, 1]> -> tensor<4x64xf32>
  %u = call @helper(%t) : (tensor<4x64xf32>) -> tensor<4x64xf32>
  return %u : tensor<4x64xf32>
}
func.func @unused(%t: vector<4xf32>) {
  return
}
func.func @k(%x: !tile.view<4x64xf32, strides = [64, 1]> {tile.name = "x", tile.dims = [4, 64]})
    attributes {tile.kernel, tile.grid = affine_map<() -> (1)>} {
  %c0 = arith.constant 0 : index
  %t = call @rows(%x, %c0) : (!tile.view<4x64xf32, strides = [64, 1]>, index) -> tensor<4x64xf32>
  tile.store %t, %x[%c0, %c0] along [0, 1] : tensor<4x64xf32>, !tile.view<4x64xf32, strides = [64, 1]>
  return
}

// BLOCKS: blocks.mlir:1:1: error: a kernel has one block, found 2; use scf.if, scf.for and scf.while
//--- blocks.mlir
func.func @k() attributes {tile.kernel, tile.grid = affine_map<() -> (1)>} {
  cf.br ^next
^next:
  return
}
