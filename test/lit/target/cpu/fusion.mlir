// RUN: treadle-opt %s -split-input-file -tile-lower-to-cpu | FileCheck %s

// One reader: no memory but the load's, and the edge of the store. bf16 is widened and rounded with integers.

// CHECK-LABEL: func.func @fused
// CHECK-COUNT-2: llvm.alloca
// CHECK-NOT: llvm.alloca
// CHECK: arith.extui %{{.*}} : vector<16xi16> to vector<16xi32>
// CHECK: arith.shli
// CHECK: arith.bitcast %{{.*}} : vector<16xi32> to vector<16xf32>
// CHECK: arith.mulf %{{.*}} : vector<16xf32>
// CHECK: arith.cmpf uno
// CHECK: arith.trunci %{{.*}} : vector<16xi32> to vector<16xi16>
func.func @fused(%x: !tile.view<64xbf16> {tile.name = "x", tile.dims = [64]}, %a: f32 {tile.name = "a"})
    attributes {tile.kernel, tile.grid = affine_map<() -> (1)>} {
  %c0 = arith.constant 0 : index
  %t = tile.load %x[%c0] along [0] : !tile.view<64xbf16> -> tensor<64xbf16>
  %f = arith.extf %t : tensor<64xbf16> to tensor<64xf32>
  %s = tile.splat %a : f32 -> tensor<64xf32>
  %g = arith.mulf %f, %s : tensor<64xf32>
  %o = arith.truncf %g : tensor<64xf32> to tensor<64xbf16>
  tile.store %o, %x[%c0] along [0] : tensor<64xbf16>, !tile.view<64xbf16>
  return
}

// -----

// Two readers: what is cheap is computed again (one load, one edge); what is not is kept (one more).

// CHECK-LABEL: func.func @cheap
// CHECK-COUNT-2: llvm.alloca
// CHECK-NOT: llvm.alloca
// CHECK-COUNT-2: arith.addf
func.func @cheap(%x: !tile.view<64xf32> {tile.name = "x", tile.dims = [64]}, %y: !tile.view<64xf32> {tile.name = "y", tile.dims = [64]})
    attributes {tile.kernel, tile.grid = affine_map<() -> (1)>} {
  %c0 = arith.constant 0 : index
  %t = tile.load %x[%c0] along [0] : !tile.view<64xf32> -> tensor<64xf32>
  %f = arith.addf %t, %t : tensor<64xf32>
  tile.store %f, %x[%c0] along [0] : tensor<64xf32>, !tile.view<64xf32>
  tile.store %f, %y[%c0] along [0] : tensor<64xf32>, !tile.view<64xf32>
  return
}

// -----

// CHECK-LABEL: func.func @dear
// CHECK-COUNT-3: llvm.alloca
// CHECK-NOT: llvm.alloca
// CHECK: math.sqrt
// CHECK-NOT: math.sqrt
func.func @dear(%x: !tile.view<64xf32> {tile.name = "x", tile.dims = [64]}, %y: !tile.view<64xf32> {tile.name = "y", tile.dims = [64]})
    attributes {tile.kernel, tile.grid = affine_map<() -> (1)>} {
  %c0 = arith.constant 0 : index
  %t = tile.load %x[%c0] along [0] : !tile.view<64xf32> -> tensor<64xf32>
  %f = math.sqrt %t : tensor<64xf32>
  tile.store %f, %x[%c0] along [0] : tensor<64xf32>, !tile.view<64xf32>
  tile.store %f, %y[%c0] along [0] : tensor<64xf32>, !tile.view<64xf32>
  return
}

// -----

// Memory is used again when its last reader is done: two tiles of 256 bytes are never live together.

// CHECK-LABEL: func.func @again
// CHECK-SAME: treadle.stack_bytes = 320
func.func @again(%x: !tile.view<64xf32> {tile.name = "x", tile.dims = [64]}, %y: !tile.view<64xf32> {tile.name = "y", tile.dims = [64]})
    attributes {tile.kernel, tile.grid = affine_map<() -> (1)>} {
  %c0 = arith.constant 0 : index
  %t = tile.load %x[%c0] along [0] : !tile.view<64xf32> -> tensor<64xf32>
  tile.store %t, %y[%c0] along [0] : tensor<64xf32>, !tile.view<64xf32>
  %u = tile.load %y[%c0] along [0] : !tile.view<64xf32> -> tensor<64xf32>
  tile.store %u, %x[%c0] along [0] : tensor<64xf32>, !tile.view<64xf32>
  return
}
