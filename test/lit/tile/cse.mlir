// RUN: treadle-opt %s --cse --split-input-file | FileCheck %s

// Equal pure ops are computed once.
// CHECK-LABEL: func @pure
func.func @pure(%x: tensor<8x4xf32>) -> (tensor<4x8xf32>, tensor<4x8xf32>) {
  // CHECK: %[[turned:.*]] = tile.transpose
  // CHECK-NEXT: return %[[turned]], %[[turned]]
  %a = tile.transpose %x, [1, 0] : tensor<8x4xf32> -> tensor<4x8xf32>
  %b = tile.transpose %x, [1, 0] : tensor<8x4xf32> -> tensor<4x8xf32>
  return %a, %b : tensor<4x8xf32>, tensor<4x8xf32>
}

// -----

// Two loads of one place without a store between are one.
// CHECK-LABEL: func @loads
func.func @loads(%view: !tile.view<8xf32>, %i: index) -> (tensor<8xf32>, tensor<8xf32>) {
  // CHECK: %[[tile:.*]] = tile.load
  // CHECK-NEXT: return %[[tile]], %[[tile]]
  %a = tile.load %view[%i] along [0] : !tile.view<8xf32> -> tensor<8xf32>
  %b = tile.load %view[%i] along [0] : !tile.view<8xf32> -> tensor<8xf32>
  return %a, %b : tensor<8xf32>, tensor<8xf32>
}

// -----

// Products of different precision are different.
// CHECK-LABEL: func @precision
func.func @precision(%a: tensor<8x8xf32>) -> (tensor<8x8xf32>, tensor<8x8xf32>) {
  // CHECK: tile.dot
  // CHECK: tile.dot
  %x = tile.dot %a, %a, %a : tensor<8x8xf32>, tensor<8x8xf32> -> tensor<8x8xf32>
  %y = tile.dot %a, %a, %a precision tf32 : tensor<8x8xf32>, tensor<8x8xf32> -> tensor<8x8xf32>
  return %x, %y : tensor<8x8xf32>, tensor<8x8xf32>
}

// -----

// Rings are memory: two of one type stay two.
// CHECK-LABEL: func @rings
func.func @rings(%x: tensor<8xf32, #tile.layout<reg = [], lane = [1, 2, 4, 0, 0], warp = []>>) {
  // CHECK-COUNT-2: tile.alloc
  %a = tile.alloc : !tile.shared<1 x [8], f32, #tile.layout<offset = [1, 2, 4]>>
  %b = tile.alloc : !tile.shared<1 x [8], f32, #tile.layout<offset = [1, 2, 4]>>
  tile.local_store %x, %a : tensor<8xf32, #tile.layout<reg = [], lane = [1, 2, 4, 0, 0], warp = []>>, !tile.shared<1 x [8], f32, #tile.layout<offset = [1, 2, 4]>>
  tile.local_store %x, %b : tensor<8xf32, #tile.layout<reg = [], lane = [1, 2, 4, 0, 0], warp = []>>, !tile.shared<1 x [8], f32, #tile.layout<offset = [1, 2, 4]>>
  return
}
