// RUN: treadle-opt %s -tile-lower-to-cpu=vector-bits=256 | FileCheck %s --check-prefixes=CHECK,AVX2
// RUN: treadle-opt %s -tile-lower-to-cpu=vector-bits=512 | FileCheck %s --check-prefixes=CHECK,AVX512

// The sum is carried in one buffer: the accumulator is read from it and the result written to it.
// Beside it: two loads, their copies in f32, the edge of the store.

// CHECK-LABEL: func.func @matmul
// CHECK-COUNT-6: llvm.alloca
// CHECK-NOT: llvm.alloca
// CHECK: %[[SUM:.*]] = arith.constant dense<0.000000e+00> : vector<16xf32>
// CHECK: scf.for
// AVX2: scf.for {{.*}} step %c4_i64
// AVX2:   scf.for {{.*}} step %c16_i64
// AVX2:     scf.for {{.*}} -> (vector<8xf32>, vector<8xf32>, vector<8xf32>, vector<8xf32>, vector<8xf32>, vector<8xf32>, vector<8xf32>, vector<8xf32>)
// AVX512: scf.for {{.*}} step %c8_i64
// AVX512:   scf.for {{.*}} step %c32_i64
// AVX512:     scf.for {{.*}} -> (vector<16xf32>, {{.*}})
// CHECK: arith.mulf
// CHECK: arith.addf
func.func @matmul(%x: !tile.view<32x?xbf16> {tile.name = "x", tile.dims = [32, "K"]}, %w: !tile.view<?x64xbf16> {tile.name = "w", tile.dims = ["K", 64]},
                  %y: !tile.view<32x64xf32> {tile.name = "y", tile.dims = [32, 64]})
    attributes {tile.kernel, tile.grid = affine_map<() -> (1)>} {
  %c0 = arith.constant 0 : index
  %c16 = arith.constant 16 : index
  %n = tile.dim %x, 1 : !tile.view<32x?xbf16>
  %zero = arith.constant dense<0.0> : tensor<32x64xf32>
  %s = scf.for %k = %c0 to %n step %c16 iter_args(%acc = %zero) -> (tensor<32x64xf32>) {
    %a = tile.load %x[%c0, %k] along [0, 1] : !tile.view<32x?xbf16> -> tensor<32x16xbf16>
    %b = tile.load %w[%k, %c0] along [0, 1] : !tile.view<?x64xbf16> -> tensor<16x64xbf16>
    %d = tile.dot %a, %b, %acc : tensor<32x16xbf16>, tensor<16x64xbf16> -> tensor<32x64xf32>
    scf.yield %d : tensor<32x64xf32>
  }
  tile.store %s, %y[%c0, %c0] along [0, 1] : tensor<32x64xf32>, !tile.view<32x64xf32>
  return
}
