// RUN: treadle-opt %s -split-input-file -tile-lower-to-cpu | FileCheck %s

// Axes that are inserted, repeated or counted cost indices only.

// CHECK-LABEL: func.func @outer
// CHECK: scf.for %[[I:.*]] = %c0_i64 to %c8_i64
// CHECK:   scf.for %[[J:.*]] = %c0_i64 to %c32_i64 step %c16_i64
// CHECK:     %[[ROW:.*]] = llvm.getelementptr %{{.*}}[%[[I]]] : (!llvm.ptr, i64) -> !llvm.ptr, i32
// CHECK:     llvm.load %[[ROW]] {{.*}} -> i32
// CHECK:     llvm.shufflevector
// CHECK:     arith.trunci %[[J]] : i64 to i32
// CHECK:     arith.constant dense<[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]> : vector<16xi32>
// CHECK:     arith.muli %{{.*}} : vector<16xi32>
func.func @outer(%x: !tile.view<8xi32> {tile.name = "x", tile.dims = [8]}, %y: !tile.view<8x32xi32> {tile.name = "y", tile.dims = [8, 32]})
    attributes {tile.kernel, tile.grid = affine_map<() -> (1)>} {
  %c0 = arith.constant 0 : index
  %t = tile.load %x[%c0] along [0] : !tile.view<8xi32> -> tensor<8xi32>
  %c = tile.expand_dims %t, 1 : tensor<8xi32> -> tensor<8x1xi32>
  %cb = tile.broadcast %c : tensor<8x1xi32> -> tensor<8x32xi32>
  %i = tile.iota : tensor<32xi32>
  %r = tile.expand_dims %i, 0 : tensor<32xi32> -> tensor<1x32xi32>
  %rb = tile.broadcast %r : tensor<1x32xi32> -> tensor<8x32xi32>
  %p = arith.muli %cb, %rb : tensor<8x32xi32>
  tile.store %p, %y[%c0, %c0] along [0, 1] : tensor<8x32xi32>, !tile.view<8x32xi32>
  return
}

// -----

// A transpose is written in squares of 8 by 8, turned in registers: three rounds of shuffles.

// CHECK-LABEL: func.func @turn
// CHECK: scf.for %{{.*}} = %c0_i64 to %c16_i64 step %c8_i64
// CHECK:   scf.for %{{.*}} = %c0_i64 to %c32_i64 step %c8_i64
// CHECK-COUNT-8: llvm.load %{{.*}} -> vector<8xf32>
// CHECK: llvm.shufflevector %{{.*}}, %{{.*}} [0, 8, 2, 10, 4, 12, 6, 14]
// CHECK: llvm.shufflevector %{{.*}}, %{{.*}} [1, 9, 3, 11, 5, 13, 7, 15]
// CHECK: llvm.shufflevector %{{.*}}, %{{.*}} [0, 1, 8, 9, 4, 5, 12, 13]
// CHECK: llvm.shufflevector %{{.*}}, %{{.*}} [0, 1, 2, 3, 8, 9, 10, 11]
// CHECK-COUNT-8: llvm.store %{{.*}} : vector<8xf32>
func.func @turn(%x: !tile.view<16x32xf32> {tile.name = "x", tile.dims = [16, 32]}, %y: !tile.view<32x16xf32> {tile.name = "y", tile.dims = [32, 16]})
    attributes {tile.kernel, tile.grid = affine_map<() -> (1)>} {
  %c0 = arith.constant 0 : index
  %t = tile.load %x[%c0, %c0] along [0, 1] : !tile.view<16x32xf32> -> tensor<16x32xf32>
  %u = tile.transpose %t, [1, 0] : tensor<16x32xf32> -> tensor<32x16xf32>
  tile.store %u, %y[%c0, %c0] along [0, 1] : tensor<32x16xf32>, !tile.view<32x16xf32>
  return
}

// -----

// A reshape shares its operand's memory.

// CHECK-LABEL: func.func @reshape
// CHECK-SAME: treadle.stack_bytes = 2112
func.func @reshape(%x: !tile.view<16x32xf32> {tile.name = "x", tile.dims = [16, 32]}, %y: !tile.view<512xf32> {tile.name = "y", tile.dims = [512]})
    attributes {tile.kernel, tile.grid = affine_map<() -> (1)>} {
  %c0 = arith.constant 0 : index
  %t = tile.load %x[%c0, %c0] along [0, 1] : !tile.view<16x32xf32> -> tensor<16x32xf32>
  %u = tile.reshape %t : tensor<16x32xf32> -> tensor<512xf32>
  tile.store %u, %y[%c0] along [0] : tensor<512xf32>, !tile.view<512xf32>
  return
}

// -----

// A block is read where its operand is.

// CHECK-LABEL: func.func @block
// CHECK-SAME: treadle.stack_bytes = 4160
// CHECK: scf.for %[[I:.*]] = %c0_i64 to %c16_i64
// CHECK:   scf.for %[[J:.*]] = %c0_i64 to %c32_i64 step %c16_i64
// CHECK:     %[[FROM:.*]] = arith.addi %[[I]], %c16_i64
// CHECK:     %[[ROW:.*]] = arith.muli %[[FROM]], %c32_i64
// CHECK:     %[[AT:.*]] = arith.addi %[[ROW]], %[[J]]
// CHECK:     %[[P:.*]] = llvm.getelementptr %{{.*}}[%[[AT]]]
// CHECK:     llvm.load %[[P]] {{.*}} -> vector<16xf32>
func.func @block(%x: !tile.view<32x32xf32> {tile.name = "x", tile.dims = [32, 32]}, %y: !tile.view<16x32xf32> {tile.name = "y", tile.dims = [16, 32]})
    attributes {tile.kernel, tile.grid = affine_map<() -> (1)>} {
  %c0 = arith.constant 0 : index
  %t = tile.load %x[%c0, %c0] along [0, 1] : !tile.view<32x32xf32> -> tensor<32x32xf32>
  %u = tile.extract %t, [16, 0] : tensor<32x32xf32> -> tensor<16x32xf32>
  tile.store %u, %y[%c0, %c0] along [0, 1] : tensor<16x32xf32>, !tile.view<16x32xf32>
  return
}
