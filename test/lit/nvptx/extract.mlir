// RUN: treadle-opt %s -tile-assign-layouts -split-input-file | FileCheck %s -enable-var-scope -check-prefix=LAYOUT
// RUN: treadle-opt %s -tile-assign-layouts -tile-lower-to-gpu -split-input-file | FileCheck %s -enable-var-scope

// A block of a tile that is read from memory is a choice of registers: the rest of the tile is held beside it, nothing is exchanged.
// LAYOUT-LABEL: func.func @of_a_read
// LAYOUT-NOT: tile.convert_layout
// LAYOUT: tile.extract
// CHECK-LABEL: llvm.func @of_a_read
// CHECK-NOT: nvvm.shfl
// CHECK-NOT: nvvm.barrier0
// CHECK: llvm.return
func.func @of_a_read(%x: !tile.view<64x64xf32, align = 16> {tile.name = "x", tile.dims = [64, 64]},
                     %y: !tile.view<16x64xf32, align = 16> {tile.name = "y", tile.dims = [16, 64]})
    attributes {tile.kernel, tile.grid = affine_map<() -> (1)>} {
  %c0 = arith.constant 0 : index
  %t = tile.load %x[%c0, %c0] along [0, 1] : !tile.view<64x64xf32, align = 16> -> tensor<64x64xf32>
  %b = tile.extract %t, [32, 0] : tensor<64x64xf32> -> tensor<16x64xf32>
  tile.store %b, %y[%c0, %c0] along [0, 1] : tensor<16x64xf32>, !tile.view<16x64xf32, align = 16>
  return
}

// -----

// A block of an accumulator is converted first: its rows are in several warps.
// LAYOUT-LABEL: func.func @of_a_product
// LAYOUT: %[[D:.*]] = tile.dot
// LAYOUT: tile.convert_layout %[[D]]
// LAYOUT: tile.extract
func.func @of_a_product(%x: !tile.view<64x64xbf16, align = 16> {tile.name = "x", tile.dims = [64, 64]},
                        %y: !tile.view<16x64xf32, align = 16> {tile.name = "y", tile.dims = [16, 64]})
    attributes {tile.kernel, tile.grid = affine_map<() -> (1)>} {
  %c0 = arith.constant 0 : index
  %zero = arith.constant dense<0.0> : tensor<64x64xf32>
  %t = tile.load %x[%c0, %c0] along [0, 1] : !tile.view<64x64xbf16, align = 16> -> tensor<64x64xbf16>
  %d = tile.dot %t, %t, %zero : tensor<64x64xbf16>, tensor<64x64xbf16> -> tensor<64x64xf32>
  %b = tile.extract %d, [48, 0] : tensor<64x64xf32> -> tensor<16x64xf32>
  tile.store %b, %y[%c0, %c0] along [0, 1] : tensor<16x64xf32>, !tile.view<16x64xf32, align = 16>
  return
}
