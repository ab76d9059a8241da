// RUN: treadlec %s --emit=gpu | FileCheck %s

// A scan of what one thread holds is arithmetic only.
// CHECK-LABEL: llvm.func @in_registers
// CHECK-NOT: nvvm.shfl
// CHECK-NOT: nvvm.barrier0
// CHECK-COUNT-14: arith.addf
// CHECK-NOT: nvvm.shfl
// CHECK-NOT: nvvm.barrier0
// CHECK: llvm.return
func.func @in_registers(%x: !tile.view<8x256xf32> {tile.name = "in_registers_x", tile.dims = [8, 256]},
    %y: !tile.view<8x256xf32> {tile.name = "in_registers_y", tile.dims = [8, 256]})
    attributes {tile.kernel, tile.num_warps = 4 : i32, tile.num_stages = 1 : i32, tile.grid = affine_map<() -> (1)>} {
  %c0 = arith.constant 0 : index
  %t = tile.load %x[%c0, %c0] along [0, 1] : !tile.view<8x256xf32> -> tensor<8x256xf32>
  %s = tile.scan (%t) along 0 {
  ^bb0(%a: f32, %b: f32):
    %c = arith.addf %a, %b : f32
    tile.yield %c : f32
  } : (tensor<8x256xf32>) -> (tensor<8x256xf32>)
  tile.store %s, %y[%c0, %c0] along [0, 1] : tensor<8x256xf32>, !tile.view<8x256xf32>
  return
}

// A scan over lanes takes the total of the earlier half by index shuffles; the earlier half keeps its own value.
// CHECK-LABEL: llvm.func @over_lanes
// CHECK: nvvm.shfl.sync idx
// CHECK: arith.addf
// CHECK: arith.select
// CHECK-NOT: nvvm.barrier0
// CHECK: llvm.return
func.func @over_lanes(%x: !tile.view<4x32xf32> {tile.name = "over_lanes_x", tile.dims = [4, 32]},
    %y: !tile.view<4x32xf32> {tile.name = "over_lanes_y", tile.dims = [4, 32]})
    attributes {tile.kernel, tile.num_warps = 4 : i32, tile.grid = affine_map<() -> (1)>} {
  %c0 = arith.constant 0 : index
  %t = tile.load %x[%c0, %c0] along [0, 1] : !tile.view<4x32xf32> -> tensor<4x32xf32>
  %s = tile.scan (%t) along 1 {
  ^bb0(%a: f32, %b: f32):
    %c = arith.addf %a, %b : f32
    tile.yield %c : f32
  } : (tensor<4x32xf32>) -> (tensor<4x32xf32>)
  tile.store %s, %y[%c0, %c0] along [0, 1] : tensor<4x32xf32>, !tile.view<4x32xf32>
  return
}

// The combine region's first arguments are the prefix: the subtraction has the earlier row on the left. (A thread has two
// columns of each row.)
// CHECK-LABEL: llvm.func @order
// CHECK: %[[first:.*]] = arith.bitcast %{{.*}} : i32 to f32
// CHECK: arith.bitcast %{{.*}} : i32 to f32
// CHECK: %[[second:.*]] = arith.bitcast %{{.*}} : i32 to f32
// CHECK: arith.subf %[[first]], %[[second]]
func.func @order(%x: !tile.view<2x256xf32> {tile.name = "order_x", tile.dims = [2, 256]})
    attributes {tile.kernel, tile.num_warps = 4 : i32, tile.num_stages = 1 : i32, tile.grid = affine_map<() -> (1)>} {
  %c0 = arith.constant 0 : index
  %t = tile.load %x[%c0, %c0] along [0, 1] : !tile.view<2x256xf32> -> tensor<2x256xf32>
  %s = tile.scan (%t) along 0 {
  ^bb0(%a: f32, %b: f32):
    %c = arith.subf %a, %b : f32
    tile.yield %c : f32
  } : (tensor<2x256xf32>) -> (tensor<2x256xf32>)
  tile.store %s, %x[%c0, %c0] along [0, 1] : tensor<2x256xf32>, !tile.view<2x256xf32>
  return
}

// With `reverse` the prefix is the far end.
// CHECK-LABEL: llvm.func @reverse
// CHECK: %[[first:.*]] = arith.bitcast %{{.*}} : i32 to f32
// CHECK: arith.bitcast %{{.*}} : i32 to f32
// CHECK: %[[second:.*]] = arith.bitcast %{{.*}} : i32 to f32
// CHECK: arith.subf %[[second]], %[[first]]
func.func @reverse(%x: !tile.view<2x256xf32> {tile.name = "reverse_x", tile.dims = [2, 256]})
    attributes {tile.kernel, tile.num_warps = 4 : i32, tile.num_stages = 1 : i32, tile.grid = affine_map<() -> (1)>} {
  %c0 = arith.constant 0 : index
  %t = tile.load %x[%c0, %c0] along [0, 1] : !tile.view<2x256xf32> -> tensor<2x256xf32>
  %s = tile.scan (%t) along 0 reverse {
  ^bb0(%a: f32, %b: f32):
    %c = arith.subf %a, %b : f32
    tile.yield %c : f32
  } : (tensor<2x256xf32>) -> (tensor<2x256xf32>)
  tile.store %s, %x[%c0, %c0] along [0, 1] : tensor<2x256xf32>, !tile.view<2x256xf32>
  return
}

// A reduction in a thread is a balanced tree: (0+1) + (2+3), not a chain.
// CHECK-LABEL: llvm.func @tree
// CHECK: %[[left:.*]] = arith.addf
// CHECK: %[[right:.*]] = arith.addf
// CHECK: arith.addf %[[left]], %[[right]]
func.func @tree(%x: !tile.view<4x128xf32> {tile.name = "tree_x", tile.dims = [4, 128]})
    attributes {tile.kernel, tile.num_warps = 4 : i32, tile.grid = affine_map<() -> (1)>} {
  %c0 = arith.constant 0 : index
  %t = tile.load %x[%c0, %c0] along [0, 1] : !tile.view<4x128xf32> -> tensor<4x128xf32>
  %s = tile.reduce (%t) along 0 {
  ^bb0(%a: f32, %b: f32):
    %c = arith.addf %a, %b : f32
    tile.yield %c : f32
  } : (tensor<4x128xf32>) -> (tensor<128xf32>)
  tile.store %s, %x[%c0, %c0] along [1] : tensor<128xf32>, !tile.view<4x128xf32>
  return
}

// A scalar from outside may be used in the combine region.
// CHECK-LABEL: llvm.func @captured
// CHECK-SAME: %[[scale:[a-z0-9]+]]: f32
// CHECK: arith.mulf %{{.*}}, %[[scale]]
func.func @captured(%scale: f32 {tile.name = "captured_scale"}, %x: !tile.view<4x128xf32> {tile.name = "captured_x", tile.dims = [4, 128]})
    attributes {tile.kernel, tile.num_warps = 4 : i32, tile.grid = affine_map<() -> (1)>} {
  %c0 = arith.constant 0 : index
  %t = tile.load %x[%c0, %c0] along [0, 1] : !tile.view<4x128xf32> -> tensor<4x128xf32>
  %s = tile.reduce (%t) along 0 {
  ^bb0(%a: f32, %b: f32):
    %c = arith.mulf %b, %scale : f32
    %d = arith.addf %a, %c : f32
    tile.yield %d : f32
  } : (tensor<4x128xf32>) -> (tensor<128xf32>)
  tile.store %s, %x[%c0, %c0] along [1] : tensor<128xf32>, !tile.view<4x128xf32>
  return
}

// Sums of 8 neighbours a lane go from warp to warp in vectors of 4, which do not conflict; where each lane has one sum,
// one by one.
// CHECK-LABEL: llvm.func @over_warps
// CHECK: nvvm.shfl.sync bfly
// CHECK-COUNT-2: llvm.store %{{.*}}, %{{.*}} {alignment = 16 : i64} : vector<4xi32>, !llvm.ptr<3>
// CHECK: nvvm.barrier0
// CHECK-COUNT-8: llvm.load %{{.*}} {alignment = 16 : i64} : !llvm.ptr<3> -> vector<4xi32>
// CHECK-NOT: !llvm.ptr<3> -> vector<4xi32>
// CHECK: llvm.return
func.func @over_warps(%x: !tile.view<?x?xbf16, align = 16> {tile.name = "over_warps_x", tile.dims = ["M", "N"]},
    %y: !tile.view<?xf32, align = 16> {tile.name = "over_warps_y", tile.dims = ["N"]})
    attributes {tile.kernel, tile.num_warps = 4 : i32, tile.grid = affine_map<() -> (1)>} {
  %c0 = arith.constant 0 : index
  %t = tile.load %x[%c0, %c0] along [0, 1] : !tile.view<?x?xbf16, align = 16> -> tensor<32x64xbf16>
  %f = arith.extf %t : tensor<32x64xbf16> to tensor<32x64xf32>
  %s = tile.reduce (%f) along 0 {
  ^bb0(%a: f32, %b: f32):
    %c = arith.addf %a, %b : f32
    tile.yield %c : f32
  } : (tensor<32x64xf32>) -> (tensor<64xf32>)
  tile.store %s, %y[%c0] along [0] : tensor<64xf32>, !tile.view<?xf32, align = 16>
  return
}

// CHECK-LABEL: llvm.func @one_a_lane
// CHECK: llvm.store %{{.*}}, %{{.*}} {alignment = 4 : i64} : i32, !llvm.ptr<3>
// CHECK: nvvm.barrier0
// CHECK-COUNT-4: llvm.load %{{.*}} {alignment = 4 : i64} : !llvm.ptr<3> -> i32
// CHECK-NOT: llvm.load {{.*}} !llvm.ptr<3>
// CHECK: llvm.return
func.func @one_a_lane(%x: !tile.view<?x?xf32> {tile.name = "one_a_lane_x", tile.dims = ["M", "N"]},
    %y: !tile.view<?xf32> {tile.name = "one_a_lane_y", tile.dims = ["N"]})
    attributes {tile.kernel, tile.num_warps = 4 : i32, tile.grid = affine_map<() -> (1)>} {
  %c0 = arith.constant 0 : index
  %t = tile.load %x[%c0, %c0] along [0, 1] : !tile.view<?x?xf32> -> tensor<16x32xf32>
  %s = tile.reduce (%t) along 0 {
  ^bb0(%a: f32, %b: f32):
    %c = arith.addf %a, %b : f32
    tile.yield %c : f32
  } : (tensor<16x32xf32>) -> (tensor<32xf32>)
  tile.store %s, %y[%c0] along [0] : tensor<32xf32>, !tile.view<?xf32>
  return
}
