// RUN: treadle-opt %s --split-input-file --treadle-separate | FileCheck %s

// A running sum, and a state that adds it times an input: two mixers, the first of which keeps what the second adds.

// CHECK-LABEL: func.func @two_piece_1(
// CHECK-SAME:    !treadle.field<BTH, f32> {treadle.array, treadle.name = "x"}
// CHECK-SAME:    !treadle.field<BH, f32> {treadle.array, treadle.name = "a_initial"}
// CHECK-SAME:    -> (!treadle.field<BTH, f32> {treadle.align = 4 : i32, treadle.array, treadle.name = "kept_0"}, !treadle.field<BH, f32> {treadle.array, treadle.name = "a_final"})
// CHECK-SAME:    attributes {treadle.chunk = 0 : i32, treadle.mixer, treadle.walk = "piece_1"}
// CHECK:         treadle.scan
// CHECK:           math.tanh
// CHECK:           %[[A:.*]] = arith.addf
// CHECK:           %[[ADDED:.*]] = arith.mulf %[[A]],
// CHECK:           treadle.yield %[[ADDED]] : f32 next %[[A]] : f32
// CHECK-LABEL: func.func @two_piece_2(
// CHECK-SAME:    treadle.name = "kept_0"
// CHECK-SAME:    treadle.name = "b_initial"
// CHECK-SAME:    treadle.name = "o"
// CHECK-SAME:    treadle.name = "b_final"
// CHECK:         treadle.scan
// CHECK-NOT:     func.func
func.func @two(%x: !treadle.field<BTH, f32> {treadle.name = "x"}, %a: !treadle.field<BH, f32> {treadle.name = "a"},
               %b: !treadle.field<BH, f32> {treadle.name = "b"})
    -> (!treadle.field<BTH, f32> {treadle.name = "o"}, !treadle.field<BH, f32> {treadle.name = "a"}, !treadle.field<BH, f32> {treadle.name = "b"})
    attributes {treadle.mixer, treadle.chunk = 0 : i32, treadle.separate} {
  %r:3 = treadle.scan (%x) from (%a, %b) {
  ^bb0(%xt: f32, %at: f32, %bt: f32):
    %0 = math.tanh %xt : f32
    %1 = arith.addf %at, %0 : f32
    %2 = arith.mulf %1, %0 : f32
    %3 = arith.addf %bt, %2 : f32
    treadle.yield %3 : f32 next %1, %3 : f32, f32
  } : (!treadle.field<BTH, f32>) from (!treadle.field<BH, f32>, !treadle.field<BH, f32>) -> (!treadle.field<BTH, f32>, !treadle.field<BH, f32>, !treadle.field<BH, f32>)
  return %r#0, %r#1, %r#2 : !treadle.field<BTH, f32>, !treadle.field<BH, f32>, !treadle.field<BH, f32>
}

// -----

// Without being asked, only where one for all is not computed in chunks; and never without causality.

// CHECK-LABEL: func.func @whole(
// CHECK-LABEL: func.func @noncausal(
func.func @whole(%x: !treadle.field<BTH, f32> {treadle.name = "x"}) -> (!treadle.field<BTH, f32> {treadle.name = "o"})
    attributes {treadle.mixer, treadle.chunk = 0 : i32} {
  %z = treadle.fill 0.0 : !treadle.field<BH, f32>
  %r:3 = treadle.scan (%x) from (%z, %z) {
  ^bb0(%xt: f32, %at: f32, %bt: f32):
    %1 = arith.addf %at, %xt : f32
    %3 = arith.addf %bt, %1 : f32
    treadle.yield %3 : f32 next %1, %3 : f32, f32
  } : (!treadle.field<BTH, f32>) from (!treadle.field<BH, f32>, !treadle.field<BH, f32>) -> (!treadle.field<BTH, f32>, !treadle.field<BH, f32>, !treadle.field<BH, f32>)
  return %r#0 : !treadle.field<BTH, f32>
}
func.func @noncausal(%x: !treadle.field<BTH, f32> {treadle.name = "x"}) -> (!treadle.field<BTH, f32> {treadle.name = "o"})
    attributes {treadle.mixer, treadle.chunk = 0 : i32, treadle.separate} {
  %z = treadle.fill 0.0 : !treadle.field<BH, f32>
  %r:3 = treadle.scan (%x) from (%z, %z) noncausal {
  ^bb0(%xt: f32, %at: f32, %bt: f32):
    %1 = arith.addf %at, %xt : f32
    %3 = arith.addf %bt, %xt : f32
    %4 = arith.mulf %1, %3 : f32
    treadle.yield %4 : f32 next %1, %3 : f32, f32
  } : (!treadle.field<BTH, f32>) from (!treadle.field<BH, f32>, !treadle.field<BH, f32>) -> (!treadle.field<BTH, f32>, !treadle.field<BH, f32>, !treadle.field<BH, f32>)
  return %r#0 : !treadle.field<BTH, f32>
}
