// RUN: treadle-opt %s --treadle-split-axes | FileCheck %s

// A window: the past is one state for each token, which the next takes over; taps and states are taken from their arrays.
// CHECK-LABEL: func.func @conv
// CHECK: %[[F1:.*]] = treadle.part %[[F:.*]], 0, 1 : !treadle.field<4x64xf32> -> !treadle.field<64xf32>
// CHECK: %[[P0:.*]] = treadle.part %[[P:.*]], 0, 0 : !treadle.field<BH, 3x64xf32> -> !treadle.field<BH, 64xf32>
// CHECK: treadle.scan(%{{.*}}, %{{.*}}, %[[F1]], %{{.*}}, %{{.*}}) from(%[[P0]], %{{.*}}, %{{.*}})
// CHECK-NEXT: ^bb0(%[[X:[a-z0-9]+]]: tensor<64xf32>, {{.*}}, %[[B:[a-z0-9]+]]: tensor<64xf32>, %[[C:[a-z0-9]+]]: tensor<64xf32>):
// CHECK-NOT: tile.reduce
// CHECK: treadle.yield %{{.*}} : tensor<64xf32> next %[[B]], %[[C]], %[[X]] :
// CHECK: treadle.concat(%{{.*}}#1, %{{.*}}#2, %{{.*}}#3) along 0
func.func @conv(%x: !treadle.field<BTH, 64xf32> {treadle.name = "x"}, %f: !treadle.field<4x64xf32> {treadle.name = "f"},
    %p: !treadle.field<BH, 3x64xf32> {treadle.name = "x"})
    -> (!treadle.field<BTH, 64xf32> {treadle.name = "o"}, !treadle.field<BH, 3x64xf32> {treadle.name = "x"})
    attributes {treadle.mixer, treadle.chunk = 0 : i32} {
  %o, %p1 = treadle.scan (%x, %f) from (%p) {
  ^bb0(%x1: tensor<64xf32>, %f1: tensor<4x64xf32>, %past: tensor<3x64xf32>):
    %w = treadle.concat (%past, %x1) along 0 : (tensor<3x64xf32>, tensor<64xf32>) -> tensor<4x64xf32>
    %m = arith.mulf %w, %f1 : tensor<4x64xf32>
    %out = tile.reduce (%m) along 0 {
    ^bb0(%a: f32, %b: f32):
      %sum = arith.addf %a, %b : f32
      tile.yield %sum : f32
    } : (tensor<4x64xf32>) -> tensor<64xf32>
    %new = treadle.part %w, 0, 1 : tensor<4x64xf32> -> tensor<3x64xf32>
    treadle.yield %out : tensor<64xf32> next %new : tensor<3x64xf32>
  } : (!treadle.field<BTH, 64xf32>, !treadle.field<4x64xf32>) from (!treadle.field<BH, 3x64xf32>)
    -> (!treadle.field<BTH, 64xf32>, !treadle.field<BH, 3x64xf32>)
  return %o, %p1 : !treadle.field<BTH, 64xf32>, !treadle.field<BH, 3x64xf32>
}

// Features 1 and k: the state's first row is a state of its own, without the axis; both axes of an output are put together.
// CHECK-LABEL: func.func @features
// CHECK: treadle.scan(%{{.*}}, %{{.*}}) from(%{{.*}}, %{{.*}})
// CHECK-NEXT: ^bb0(%{{.*}}: tensor<4xf32>, %[[V:.*]]: tensor<3xf32>, %[[S0:.*]]: tensor<3xf32>, %[[S1:.*]]: tensor<4x3xf32>):
// CHECK: arith.addf %[[S0]], %{{.*}} : tensor<3xf32>
// CHECK: arith.addf %[[S1]], %{{.*}} : tensor<4x3xf32>
// CHECK: tile.reduce
// CHECK: treadle.concat(%{{.*}}#1, %{{.*}}#2) along 0 : (!treadle.field<BH, 3xf32>, !treadle.field<BH, 4x3xf32>) -> !treadle.field<BH, 5x3xf32>
func.func @features(%k: !treadle.field<BTH, 4xf32> {treadle.name = "k"}, %v: !treadle.field<BTH, 3xf32> {treadle.name = "v"})
    -> (!treadle.field<BTH, 3xf32> {treadle.name = "o"}, !treadle.field<BH, 5x3xf32> {treadle.name = "S"}) attributes {treadle.mixer} {
  %S0 = treadle.fill 0.0 : !treadle.field<BH, 5x3xf32>
  %o, %S1 = treadle.scan (%k, %v) from (%S0) {
  ^bb0(%k1: tensor<4xf32>, %v1: tensor<3xf32>, %S: tensor<5x3xf32>):
    %one = arith.constant 1.0 : f32
    %f = treadle.concat (%one, %k1) along 0 : (f32, tensor<4xf32>) -> tensor<5xf32>
    %fc = tile.expand_dims %f, 1 : tensor<5xf32> -> tensor<5x1xf32>
    %fb = tile.broadcast %fc : tensor<5x1xf32> -> tensor<5x3xf32>
    %vr = tile.expand_dims %v1, 0 : tensor<3xf32> -> tensor<1x3xf32>
    %vb = tile.broadcast %vr : tensor<1x3xf32> -> tensor<5x3xf32>
    %p = arith.mulf %fb, %vb : tensor<5x3xf32>
    %new = arith.addf %S, %p : tensor<5x3xf32>
    %w = arith.mulf %new, %fb : tensor<5x3xf32>
    %out = tile.reduce (%w) along 0 {
    ^bb0(%a: f32, %b: f32):
      %sum = arith.addf %a, %b : f32
      tile.yield %sum : f32
    } : (tensor<5x3xf32>) -> tensor<3xf32>
    treadle.yield %out : tensor<3xf32> next %new : tensor<5x3xf32>
  } : (!treadle.field<BTH, 4xf32>, !treadle.field<BTH, 3xf32>) from (!treadle.field<BH, 5x3xf32>)
    -> (!treadle.field<BTH, 3xf32>, !treadle.field<BH, 5x3xf32>)
  return %o, %S1 : !treadle.field<BTH, 3xf32>, !treadle.field<BH, 5x3xf32>
}

// Halves of an input swapped, counted and transposed: the input and the output are taken apart.
// CHECK-LABEL: func.func @swap
// CHECK: treadle.scan(%{{.*}}, %{{.*}}) from() {
// CHECK: %[[I:.*]] = tile.iota : tensor<3xi32>
// CHECK: %[[THREE:.*]] = arith.constant dense<3> : tensor<3xi32>
// CHECK: arith.addi %{{.*}}, %[[THREE]] : tensor<3xi32>
// CHECK: treadle.yield %{{.*}}, %{{.*}} : tensor<2x3xf32>, tensor<2x3xf32>
// CHECK: treadle.concat(%{{.*}}#0, %{{.*}}#1) along 1 : (!treadle.field<BTH, 2x3xf32>, !treadle.field<BTH, 2x3xf32>) -> !treadle.field<BTH, 2x6xf32>
func.func @swap(%x: !treadle.field<BTH, 6x2xf32> {treadle.name = "x"}) -> (!treadle.field<BTH, 2x6xf32> {treadle.name = "y"}) attributes {treadle.mixer} {
  %y = treadle.scan (%x) from () {
  ^bb0(%x1: tensor<6x2xf32>):
    %i = tile.iota : tensor<6xi32>
    %f = arith.sitofp %i : tensor<6xi32> to tensor<6xf32>
    %c = tile.expand_dims %f, 1 : tensor<6xf32> -> tensor<6x1xf32>
    %b = tile.broadcast %c : tensor<6x1xf32> -> tensor<6x2xf32>
    %m = arith.mulf %x1, %b : tensor<6x2xf32>
    %low = treadle.part %m, 0, 0 : tensor<6x2xf32> -> tensor<3x2xf32>
    %high = treadle.part %m, 0, 3 : tensor<6x2xf32> -> tensor<3x2xf32>
    %s = treadle.concat (%high, %low) along 0 : (tensor<3x2xf32>, tensor<3x2xf32>) -> tensor<6x2xf32>
    %t = tile.transpose %s, [1, 0] : tensor<6x2xf32> -> tensor<2x6xf32>
    treadle.yield %t : tensor<2x6xf32>
  } : (!treadle.field<BTH, 6x2xf32>) from () -> (!treadle.field<BTH, 2x6xf32>)
  return %y : !treadle.field<BTH, 2x6xf32>
}

// A step that takes nothing apart stays as it is.
// CHECK-LABEL: func.func @whole
// CHECK-NOT: treadle.part
// CHECK: return
func.func @whole(%x: !treadle.field<BTH, 6xf32> {treadle.name = "x"}) -> (!treadle.field<BTH, 6xf32> {treadle.name = "y"}) attributes {treadle.mixer} {
  %y = treadle.scan (%x) from () {
  ^bb0(%x1: tensor<6xf32>):
    treadle.yield %x1 : tensor<6xf32>
  } : (!treadle.field<BTH, 6xf32>) from () -> (!treadle.field<BTH, 6xf32>)
  return %y : !treadle.field<BTH, 6xf32>
}
