// RUN: treadle-opt %s --canonicalize --split-input-file | FileCheck %s

// The size of a static axis is a constant.
// CHECK-LABEL: func @static_dim
func.func @static_dim(%view: !tile.view<?x64xf32>) -> index {
  // CHECK: %[[size:.*]] = arith.constant 64 : index
  // CHECK-NEXT: return %[[size]]
  %n = tile.dim %view, 1 : !tile.view<?x64xf32>
  return %n : index
}

// -----

// The size of a dynamic axis stays a question to the launch.
// CHECK-LABEL: func @dynamic_dim
func.func @dynamic_dim(%view: !tile.view<?x64xf32>) -> index {
  // CHECK: %[[size:.*]] = tile.dim %{{.*}}, 0
  // CHECK-NEXT: return %[[size]]
  %n = tile.dim %view, 0 : !tile.view<?x64xf32>
  return %n : index
}

// -----

// A splat of a constant is a constant tile.
// CHECK-LABEL: func @splat
func.func @splat() -> (tensor<4x8xf32>, tensor<4xindex>, tensor<4xi1>) {
  // CHECK-DAG: %[[floats:.*]] = arith.constant dense<1.500000e+00> : tensor<4x8xf32>
  // CHECK-DAG: %[[indices:.*]] = arith.constant dense<3> : tensor<4xindex>
  // CHECK-DAG: %[[bits:.*]] = arith.constant dense<true> : tensor<4xi1>
  // CHECK: return %[[floats]], %[[indices]], %[[bits]]
  %f = arith.constant 1.5 : f32
  %i = arith.constant 3 : index
  %b = arith.constant true
  %floats = tile.splat %f : f32 -> tensor<4x8xf32>
  %indices = tile.splat %i : index -> tensor<4xindex>
  %bits = tile.splat %b : i1 -> tensor<4xi1>
  return %floats, %indices, %bits : tensor<4x8xf32>, tensor<4xindex>, tensor<4xi1>
}

// -----

// A broadcast to the operand's own shape is the operand.
// CHECK-LABEL: func @broadcast_same
// CHECK-SAME: (%[[x:.*]]: tensor<4x8xf32>)
func.func @broadcast_same(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  // CHECK-NEXT: return %[[x]]
  %y = tile.broadcast %x : tensor<4x8xf32> -> tensor<4x8xf32>
  return %y : tensor<4x8xf32>
}

// -----

// A block of the operand's own shape is the operand, a block of a constant is a constant, another block stays.
// CHECK-LABEL: func @blocks
// CHECK-SAME: (%[[x:.*]]: tensor<4x8xf32>)
func.func @blocks(%x: tensor<4x8xf32>) -> (tensor<4x8xf32>, tensor<2x8xf32>, tensor<1x8xf32>) {
  // CHECK-DAG: %[[two:.*]] = arith.constant dense<2.000000e+00> : tensor<2x8xf32>
  // CHECK-DAG: %[[row:.*]] = tile.extract %[[x]], [3, 0]
  // CHECK: return %[[x]], %[[two]], %[[row]]
  %c = arith.constant dense<2.0> : tensor<4x8xf32>
  %same = tile.extract %x, [0, 0] : tensor<4x8xf32> -> tensor<4x8xf32>
  %two = tile.extract %c, [2, 0] : tensor<4x8xf32> -> tensor<2x8xf32>
  %row = tile.extract %x, [3, 0] : tensor<4x8xf32> -> tensor<1x8xf32>
  return %same, %two, %row : tensor<4x8xf32>, tensor<2x8xf32>, tensor<1x8xf32>
}

// -----

// A broadcast, transposed or reshaped constant is a constant.
// CHECK-LABEL: func @constant_shapes
func.func @constant_shapes() -> (tensor<4x8xf32>, tensor<1x4xf32>, tensor<2x2xf32>) {
  // CHECK-DAG: %[[wide:.*]] = arith.constant dense<2.000000e+00> : tensor<4x8xf32>
  // CHECK-DAG: %[[turned:.*]] = arith.constant dense<2.000000e+00> : tensor<1x4xf32>
  // CHECK-DAG: %[[square:.*]] = arith.constant dense<2.000000e+00> : tensor<2x2xf32>
  // CHECK: return %[[wide]], %[[turned]], %[[square]]
  %two = arith.constant dense<2.0> : tensor<4x1xf32>
  %wide = tile.broadcast %two : tensor<4x1xf32> -> tensor<4x8xf32>
  %turned = tile.transpose %two, [1, 0] : tensor<4x1xf32> -> tensor<1x4xf32>
  %square = tile.reshape %two : tensor<4x1xf32> -> tensor<2x2xf32>
  return %wide, %turned, %square : tensor<4x8xf32>, tensor<1x4xf32>, tensor<2x2xf32>
}

// -----

// A transposition of a constant that differs from element to element is left alone.
// CHECK-LABEL: func @no_fold_of_dense
func.func @no_fold_of_dense() -> tensor<2x2xf32> {
  // CHECK: tile.transpose
  %x = arith.constant dense<[[1.0, 2.0], [3.0, 4.0]]> : tensor<2x2xf32>
  %y = tile.transpose %x, [1, 0] : tensor<2x2xf32> -> tensor<2x2xf32>
  return %y : tensor<2x2xf32>
}

// -----

// In the scheduled stage shape ops keep their layouts: nothing folds to a constant without one.
#row = #tile.layout<reg = [], lane = [1, 2, 4, 8, 16], warp = []>
// CHECK-LABEL: func @scheduled
func.func @scheduled() -> tensor<32xf32, #row> {
  // CHECK: tile.splat
  %one = arith.constant 1.0 : f32
  %x = tile.splat %one : f32 -> tensor<32xf32, #row>
  return %x : tensor<32xf32, #row>
}

// -----

// Reads and pure ops that nobody uses go away; writes stay.
// CHECK-LABEL: func @dead
func.func @dead(%view: !tile.view<8x8xf32>, %c: tensor<8x8xf32>, %i: index) {
  // CHECK-NEXT: tile.store
  // CHECK-NEXT: return
  %x = tile.load %view[%i, %i] along [0, 1] : !tile.view<8x8xf32> -> tensor<8x8xf32>
  %d = tile.dot %x, %x, %c : tensor<8x8xf32>, tensor<8x8xf32> -> tensor<8x8xf32>
  %s = tile.reduce (%d) along 0 {
  ^bb0(%a: f32, %b: f32):
    %m = arith.maximumf %a, %b : f32
    tile.yield %m : f32
  } : (tensor<8x8xf32>) -> (tensor<8xf32>)
  %id = tile.program_id 1
  tile.store %c, %view[%i, %i] along [0, 1] : tensor<8x8xf32>, !tile.view<8x8xf32>
  return
}

// -----

// A store may change what a load reads: two loads of one place around it stay two.
// CHECK-LABEL: func @load_after_store
func.func @load_after_store(%view: !tile.view<8xf32>, %x: tensor<8xf32>, %i: index) -> (tensor<8xf32>, tensor<8xf32>) {
  // CHECK: %[[before:.*]] = tile.load
  // CHECK: tile.store
  // CHECK: %[[after:.*]] = tile.load
  // CHECK: return %[[before]], %[[after]]
  %before = tile.load %view[%i] along [0] : !tile.view<8xf32> -> tensor<8xf32>
  tile.store %x, %view[%i] along [0] : tensor<8xf32>, !tile.view<8xf32>
  %after = tile.load %view[%i] along [0] : !tile.view<8xf32> -> tensor<8xf32>
  return %before, %after : tensor<8xf32>, tensor<8xf32>
}
