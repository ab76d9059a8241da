// RUN: treadle-opt %s -tile-assign-layouts -tile-lower-to-gpu -split-input-file | FileCheck %s -enable-var-scope

// Where a dynamic size may cut through a vector, the tile is read and written element by element.
// CHECK-LABEL: llvm.func @dynamic
// CHECK: %[[CUT:.*]] = arith.cmpi ne
// CHECK: scf.if %[[CUT]]
// CHECK: ld.global.b32
// CHECK: } else {
// CHECK: ld.global.v4.b32
// CHECK: scf.if
// CHECK: st.global.b32
// CHECK: } else {
// CHECK: st.global.v4.b32
func.func @dynamic(%x: !tile.view<?x?xf32, align = 16> {tile.name = "x", tile.dims = ["M", "N"]})
    attributes {tile.kernel, tile.grid = affine_map<()[M] -> (M)>, tile.grid_dims = ["M"]} {
  %c0 = arith.constant 0 : index
  %i = tile.program_id 0
  %t = tile.load %x[%i, %c0] along [1] : !tile.view<?x?xf32, align = 16> -> tensor<512xf32>
  tile.store %t, %x[%i, %c0] along [1] : tensor<512xf32>, !tile.view<?x?xf32, align = 16>
  return
}

// -----

// A static size is known to be a multiple of the vector, or gets a narrower one: no second version.
// CHECK-LABEL: llvm.func @static
// CHECK-NOT: scf.if
// CHECK: ld.global.v2.b32
func.func @static(%x: !tile.view<?x510xf32, align = 8> {tile.name = "x", tile.dims = ["M", 510]})
    attributes {tile.kernel, tile.grid = affine_map<()[M] -> (M)>, tile.grid_dims = ["M"]} {
  %c0 = arith.constant 0 : index
  %i = tile.program_id 0
  %t = tile.load %x[%i, %c0] along [1] : !tile.view<?x510xf32, align = 8> -> tensor<512xf32>
  tile.store %t, %x[%i, %c0] along [1] : tensor<512xf32>, !tile.view<?x510xf32, align = 8>
  return
}
