// RUN: treadle-opt %s -tile-lower-to-cpu -tile-cpu-to-llvm | FileCheck %s

// Everything is in the LLVM dialect; exp is arithmetic, a sine beyond 10^6 the C library's.

// CHECK-LABEL: llvm.func @math(%arg0: !llvm.ptr, %arg1: i64, %arg2: i64, %arg3: i64)
// CHECK-NOT: {{arith|scf|math|tile|cf}}.
// CHECK-NOT: llvm.intr.exp
// CHECK: llvm.intr.sin
func.func @math(%x: !tile.view<64xf32> {tile.name = "x", tile.dims = [64]})
    attributes {tile.kernel, tile.grid = affine_map<() -> (1)>} {
  %c0 = arith.constant 0 : index
  %t = tile.load %x[%c0] along [0] : !tile.view<64xf32> -> tensor<64xf32>
  %e = math.exp %t : tensor<64xf32>
  %s = math.sin %e : tensor<64xf32>
  tile.store %s, %x[%c0] along [0] : tensor<64xf32>, !tile.view<64xf32>
  return
}
