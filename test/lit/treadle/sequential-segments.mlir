// Token by token, on segments of a sequence side by side.
// RUN: treadle-opt %s --treadle-sequential --canonicalize --cse --split-input-file -verify-diagnostics | FileCheck %s

// A state that changes with a running minimum m: the first kernel finds what each segment makes of no state, four tokens a turn and then the rest;
// the second puts the segments before its own together, relative to the smaller minimum, and the last with tokens writes the states.
// CHECK-LABEL: func.func @moments_segments(
// CHECK-SAME: tile.name = "x"}, %{{.*}} {tile.dims = ["B", "T", "H", 64], tile.name = "v"}, %[[S:.*]]: !tile.view<?x?x?x64xf32, align = 16> {tile.dims = ["segments", "B", "H", 64], tile.name = "segment_state0"}
// CHECK-SAME: tile.num_warps = 1 : i32
// CHECK: arith.constant dense<0x7F800000> : tensor<64xf32>
// CHECK: scf.for %{{.*}} = %c0 to %[[MIDDLE:.*]] step %c4
// CHECK-COUNT-4: arith.minimumf
// CHECK: scf.for %{{.*}} = %[[MIDDLE]] to %{{.*}} step %c1
// CHECK: tile.store %{{.*}}, %[[S]]
// CHECK-NOT: tile.name = "o"
// CHECK-LABEL: func.func @moments(
// CHECK-SAME: tile.name = "o"}
// CHECK: scf.for %{{.*}} = %c0 to %{{.*}} step %c4
// CHECK: %[[M:.*]] = arith.minimumf %[[A:.*]], %[[B:.*]] : tensor<64xf32>
// CHECK: %[[GAP:.*]] = arith.subf %[[M]], %[[A]]
// CHECK: arith.cmpf oeq, %[[A]], %[[M]]
// CHECK: scf.for
// CHECK: scf.if
// CHECK: tile.store
func.func @moments(%x: !treadle.field<BTH, 64xf32> {treadle.name = "x"}, %v: !treadle.field<BTH, 64xf32> {treadle.name = "v"})
    -> (!treadle.field<BTH, 64xf32> {treadle.name = "o"}, !treadle.field<BH, 64xf32> {treadle.name = "S"})
    attributes {treadle.mixer, treadle.split} {
  %S0 = treadle.fill 0.0 : !treadle.field<BH, 64xf32>
  %m0 = treadle.fill 0x7F800000 : !treadle.field<BH, 64xf32>
  %o, %S2, %m2 = treadle.scan (%x, %v) from (%S0, %m0) {
  ^bb0(%x1: tensor<64xf32>, %v1: tensor<64xf32>, %S: tensor<64xf32>, %m: tensor<64xf32>):
    %n = arith.minimumf %m, %x1 : tensor<64xf32>
    %fall = arith.subf %n, %m : tensor<64xf32>
    %r = math.exp %fall : tensor<64xf32>
    %gap = arith.subf %n, %x1 : tensor<64xf32>
    %w = math.exp %gap : tensor<64xf32>
    %kept = arith.mulf %r, %S : tensor<64xf32>
    %new = arith.mulf %w, %v1 : tensor<64xf32>
    %S1 = arith.addf %kept, %new : tensor<64xf32>
    treadle.yield %S1 : tensor<64xf32> next %S1, %n : tensor<64xf32>, tensor<64xf32>
  } : (!treadle.field<BTH, 64xf32>, !treadle.field<BTH, 64xf32>) from (!treadle.field<BH, 64xf32>, !treadle.field<BH, 64xf32>)
    -> (!treadle.field<BTH, 64xf32>, !treadle.field<BH, 64xf32>, !treadle.field<BH, 64xf32>)
  return %o, %S2 : !treadle.field<BTH, 64xf32>, !treadle.field<BH, 64xf32>
}

// -----

// Delays would have to be put together token by token: one kernel.
// CHECK-LABEL: func.func @delay(
// CHECK-NOT: segments
func.func @delay(%x: !treadle.field<BTH, f32> {treadle.name = "x"}) -> (!treadle.field<BTH, f32> {treadle.name = "o"})
    attributes {treadle.mixer, treadle.split} {
  %s0 = treadle.fill 0.0 : !treadle.field<BH, f32>
  // expected-remark @below {{sequences are not split: a state is a delay}}
  %o, %s2 = treadle.scan (%x) from (%s0) {
  ^bb0(%x1: f32, %s: f32):
    treadle.yield %s : f32 next %x1 : f32
  } : (!treadle.field<BTH, f32>) from (!treadle.field<BH, f32>) -> (!treadle.field<BTH, f32>, !treadle.field<BH, f32>)
  return %o : !treadle.field<BTH, f32>
}

// -----

// Too little shared memory for loading ahead.
// CHECK-LABEL: func.func @little_segments(
// CHECK-SAME: tile.num_stages = 1 : i32
// CHECK-LABEL: func.func @little(
// CHECK-SAME: tile.num_stages = 1 : i32
module attributes {treadle.shared_bytes = {little = 40000 : i64}} {
func.func @little(%x: !treadle.field<BTH, 64xf32> {treadle.name = "x"}) -> (!treadle.field<BTH, 64xf32> {treadle.name = "o"})
    attributes {treadle.mixer, treadle.split} {
  %S0 = treadle.fill 0.0 : !treadle.field<BH, 64xf32>
  %o, %S2 = treadle.scan (%x) from (%S0) {
  ^bb0(%x1: tensor<64xf32>, %S: tensor<64xf32>):
    %S1 = arith.maximumf %x1, %S : tensor<64xf32>
    treadle.yield %S1 : tensor<64xf32> next %S1 : tensor<64xf32>
  } : (!treadle.field<BTH, 64xf32>) from (!treadle.field<BH, 64xf32>) -> (!treadle.field<BTH, 64xf32>, !treadle.field<BH, 64xf32>)
  return %o : !treadle.field<BTH, 64xf32>
}
}
