// RUN: treadle-opt %s --split-input-file --treadle-differentiate --verify-diagnostics | FileCheck %s

// A decay that is the same for all heads' tokens: its gradient is a running sum, in a walk of its own.

// CHECK-LABEL: func.func @decay_past(
// CHECK-SAME:    treadle.name = "q"}
// CHECK-SAME:    treadle.name = "k"}
// CHECK-SAME:    treadle.name = "v"}
// CHECK-SAME:    treadle.name = "g"}
// CHECK-SAME:    treadle.name = "o_grad"}
// CHECK-SAME:    -> (!treadle.field<BTH, f32> {{.*}}treadle.name = "kept_0"}, !treadle.field<BTH, 4xbf16> {{.*}}treadle.name = "q_grad"})
// CHECK:         %[[FILL:.*]] = treadle.fill 0.0
// CHECK:         treadle.scan
// CHECK-SAME:      from(%[[FILL]])
// CHECK-NOT:       reverse
// CHECK:           ^bb0(%[[Q:.*]]: tensor<4xf32>, %{{.*}}: tensor<4xf32>, %{{.*}}: tensor<8xf32>, %{{.*}}: f32, %[[DO:.*]]: tensor<8xf32>, %{{.*}}: tensor<4x8xf32>):
// The gradient of q reads S without what the token adds, which is added to it; so does what goes to the running sum.
// CHECK:           %[[DECAYED:.*]] = arith.mulf {{.*}} : tensor<4x8xf32>
// CHECK:           %[[S:.*]] = arith.addf %[[DECAYED]], {{.*}} : tensor<4x8xf32>
// CHECK:           %[[PRODUCT:.*]] = arith.mulf {{.*}}%[[DECAYED]]{{.*}} : tensor<4x8xf32>
// CHECK:           %[[READ:.*]] = tile.reduce (%[[PRODUCT]]) along 1
// CHECK:           %[[OWN:.*]] = arith.mulf {{.*}} : tensor<4xf32>
// CHECK:           %[[DQ:.*]] = arith.addf %[[READ]], %[[OWN]] : tensor<4xf32>
// CHECK:           %[[QREAD:.*]] = arith.mulf %[[Q]], %[[READ]] : tensor<4xf32>
// CHECK:           %[[R:.*]] = tile.reduce (%[[QREAD]]) along 0
// CHECK:           treadle.yield %[[R]], %[[DQ]] : f32, tensor<4xf32> next %[[S]]

// CHECK-LABEL: func.func @decay_future(
// CHECK-SAME:    treadle.name = "k_grad"}
// CHECK-SAME:    treadle.name = "v_grad"}
// CHECK-SAME:    treadle.name = "kept_1"}
// CHECK:         treadle.scan
// CHECK-SAME:      reverse
// CHECK:           %[[G:.*]] = arith.addf %[[OLD:.*]], {{.*}} : tensor<4x8xf32>
// CHECK:           tile.reduce {{.*}} along 1
// CHECK:           tile.reduce {{.*}} along 0
// CHECK:           treadle.yield {{.*}} next

// CHECK-LABEL: func.func @decay_sums(
// CHECK-SAME:    treadle.name = "kept_0"}
// CHECK-SAME:    treadle.name = "kept_1"}
// CHECK-SAME:    -> (!treadle.field<BTH, f32> {{.*}}treadle.name = "g_grad"})
// CHECK:         ^bb0(%[[READ:.*]]: f32, %[[WRITTEN:.*]]: f32, %[[BEFORE:.*]]: f32):
// CHECK:           %[[LESS:.*]] = arith.subf %[[BEFORE]], %[[WRITTEN]] : f32
// CHECK:           %[[AFTER:.*]] = arith.addf %[[LESS]], %[[READ]] : f32
// CHECK:           treadle.yield %[[AFTER]] : f32 next %[[AFTER]] : f32
func.func @decay(%q: !treadle.field<BTH, 4xbf16> {treadle.name = "q"}, %k: !treadle.field<BTH, 4xbf16> {treadle.name = "k"},
                 %v: !treadle.field<BTH, 8xbf16> {treadle.name = "v"}, %g: !treadle.field<BTH, f32> {treadle.name = "g"})
    -> (!treadle.field<BTH, 8xbf16> {treadle.name = "o"}) attributes {treadle.mixer, treadle.backward} {
  %S = treadle.fill 0.0 : !treadle.field<BH, 4x8xf32>
  %r:2 = treadle.scan (%q, %k, %v, %g) from (%S) {
  ^bb0(%qt: tensor<4xf32>, %kt: tensor<4xf32>, %vt: tensor<8xf32>, %gt: f32, %St: tensor<4x8xf32>):
    %a = math.exp %gt : f32
    %wide = tile.splat %a : f32 -> tensor<4x8xf32>
    %0 = arith.mulf %wide, %St : tensor<4x8xf32>
    %1 = tile.expand_dims %kt, 1 : tensor<4xf32> -> tensor<4x1xf32>
    %2 = tile.expand_dims %vt, 0 : tensor<8xf32> -> tensor<1x8xf32>
    %3 = tile.broadcast %1 : tensor<4x1xf32> -> tensor<4x8xf32>
    %4 = tile.broadcast %2 : tensor<1x8xf32> -> tensor<4x8xf32>
    %5 = arith.mulf %3, %4 : tensor<4x8xf32>
    %6 = arith.addf %0, %5 : tensor<4x8xf32>
    %7 = tile.expand_dims %qt, 1 : tensor<4xf32> -> tensor<4x1xf32>
    %8 = tile.broadcast %7 : tensor<4x1xf32> -> tensor<4x8xf32>
    %9 = arith.mulf %8, %6 : tensor<4x8xf32>
    %o = tile.reduce (%9) along 0 {
    ^bb0(%x: f32, %y: f32):
      %z = arith.addf %x, %y : f32
      tile.yield %z : f32
    } : (tensor<4x8xf32>) -> (tensor<8xf32>)
    treadle.yield %o : tensor<8xf32> next %6 : tensor<4x8xf32>
  } : (!treadle.field<BTH, 4xbf16>, !treadle.field<BTH, 4xbf16>, !treadle.field<BTH, 8xbf16>, !treadle.field<BTH, f32>) from (!treadle.field<BH, 4x8xf32>) -> (!treadle.field<BTH, 8xbf16>, !treadle.field<BH, 4x8xf32>)
  return %r#0 : !treadle.field<BTH, 8xbf16>
}

// -----

// States that are arguments and results: their gradients are, too. What is the same at all times is summed, and integers
// have no gradient.

// CHECK-LABEL: func.func @mean_past(
// CHECK-SAME:    treadle.name = "h_initial"}
// CHECK-SAME:    -> (!treadle.field<BTH, 4xf32> {{.*}}treadle.name = "kept_0"})
// CHECK:         ^bb0({{.*}}%[[H:.*]]: tensor<4xf32>):
// CHECK:           treadle.yield %[[H]] : tensor<4xf32> next

// CHECK-LABEL: func.func @mean_future(
// CHECK-SAME:    treadle.name = "h_final_grad"}
// CHECK-SAME:    -> (!treadle.field<BTH, 4xf32> {{.*}}treadle.name = "x_grad"}, !treadle.field<BH, 4xf32> {{.*}}treadle.name = "h_initial_grad"}, !treadle.field<BH, 4xf32> {{.*}}treadle.name = "f_grad"})
// CHECK:         %[[ZERO:.*]] = treadle.fill 0.0
// CHECK:         treadle.scan
// CHECK-SAME:      %[[ZERO]]) reverse
func.func @mean(%x: !treadle.field<BTH, 4xf32> {treadle.name = "x"}, %f: !treadle.field<H, 4xf32> {treadle.name = "f"},
                %n: !treadle.field<BTH, i32> {treadle.name = "n"}, %h: !treadle.field<BH, 4xf32> {treadle.name = "h"})
    -> (!treadle.field<BTH, 4xf32> {treadle.name = "o"}, !treadle.field<BH, 4xf32> {treadle.name = "h"})
    attributes {treadle.mixer, treadle.backward} {
  %r:2 = treadle.scan (%x, %f, %n) from (%h) {
  ^bb0(%xt: tensor<4xf32>, %ft: tensor<4xf32>, %nt: i32, %ht: tensor<4xf32>):
    %m = arith.sitofp %nt : i32 to f32
    %wide = tile.splat %m : f32 -> tensor<4xf32>
    %0 = arith.mulf %ft, %ht : tensor<4xf32>
    %1 = arith.mulf %wide, %xt : tensor<4xf32>
    %2 = arith.addf %0, %1 : tensor<4xf32>
    treadle.yield %2 : tensor<4xf32> next %2 : tensor<4xf32>
  } : (!treadle.field<BTH, 4xf32>, !treadle.field<H, 4xf32>, !treadle.field<BTH, i32>) from (!treadle.field<BH, 4xf32>) -> (!treadle.field<BTH, 4xf32>, !treadle.field<BH, 4xf32>)
  return %r#0, %r#1 : !treadle.field<BTH, 4xf32>, !treadle.field<BH, 4xf32>
}

// -----

// A constant for gradients: no array of q's.

// CHECK-LABEL: func.func @constant_future(
// CHECK-SAME:    -> (!treadle.field<BTH, f32> {{.*}}treadle.name = "x_grad"}) attributes
func.func @constant(%x: !treadle.field<BTH, f32> {treadle.name = "x"}, %q: !treadle.field<BTH, f32> {treadle.name = "q"})
    -> (!treadle.field<BTH, f32> {treadle.name = "o"}) attributes {treadle.mixer, treadle.backward} {
  %r = treadle.scan (%x, %q) from () {
  ^bb0(%xt: f32, %qt: f32):
    %0 = treadle.stop_gradient %qt : f32
    %1 = arith.mulf %xt, %0 : f32
    treadle.yield %1 : f32
  } : (!treadle.field<BTH, f32>, !treadle.field<BTH, f32>) from () -> (!treadle.field<BTH, f32>)
  return %r : !treadle.field<BTH, f32>
}

// -----

// Outputs are of the final state: what they make of it is summed up before the walk back, which starts there.

// CHECK-LABEL: func.func @noncausal_totals(
// CHECK-SAME:    treadle.name = "o_grad"}
// CHECK-SAME:    -> (!treadle.field<BH, f32> {{.*}}treadle.name = "state0_total_grad"})
// CHECK:         treadle.scan
// CHECK-NOT:       reverse
// CHECK:           %[[SUM:.*]] = arith.addf
// CHECK:           treadle.yield next %[[SUM]]

// CHECK-LABEL: func.func @noncausal_future(
// CHECK-SAME:    treadle.name = "state0_total_grad"}
// CHECK-SAME:    -> (!treadle.field<BTH, f32> {{.*}}treadle.name = "x_grad"})
// CHECK:         reverse
func.func @noncausal(%x: !treadle.field<BTH, f32> {treadle.name = "x"}) -> (!treadle.field<BTH, f32> {treadle.name = "o"})
    attributes {treadle.mixer, treadle.backward} {
  %s = treadle.fill 0.0 : !treadle.field<BH, f32>
  %r:2 = treadle.scan (%x) from (%s) noncausal {
  ^bb0(%xt: f32, %st: f32):
    %0 = arith.addf %xt, %st : f32
    treadle.yield %0 : f32 next %0 : f32
  } : (!treadle.field<BTH, f32>) from (!treadle.field<BH, f32>) -> (!treadle.field<BTH, f32>, !treadle.field<BH, f32>)
  return %r#0 : !treadle.field<BTH, f32>
}

// -----

func.func @product(%x: !treadle.field<BTH, 4xf32> {treadle.name = "x"}) -> (!treadle.field<BTH, f32> {treadle.name = "o"})
    attributes {treadle.mixer, treadle.backward} {
  %r = treadle.scan (%x) from () {
  ^bb0(%xt: tensor<4xf32>):
    // expected-error @+1 {{the gradient of this reduction is not known: of sums, maxima and minima it is}}
    %0 = tile.reduce (%xt) along 0 {
    ^bb0(%a: f32, %b: f32):
      %c = arith.mulf %a, %b : f32
      tile.yield %c : f32
    } : (tensor<4xf32>) -> (f32)
    treadle.yield %0 : f32
  } : (!treadle.field<BTH, 4xf32>) from () -> (!treadle.field<BTH, f32>)
  return %r : !treadle.field<BTH, f32>
}

// -----

func.func @operation(%x: !treadle.field<BTH, f32> {treadle.name = "x"}) -> (!treadle.field<BTH, f32> {treadle.name = "o"})
    attributes {treadle.mixer, treadle.backward} {
  %r = treadle.scan (%x) from () {
  ^bb0(%xt: f32):
    // expected-error @+1 {{the gradient of 'math.floor' is not known}}
    %0 = math.floor %xt : f32
    treadle.yield %0 : f32
  } : (!treadle.field<BTH, f32>) from () -> (!treadle.field<BTH, f32>)
  return %r : !treadle.field<BTH, f32>
}

// -----

func.func @parts(%x: !treadle.field<BTH, 2xf32> {treadle.name = "x"}) -> (!treadle.field<BTH, f32> {treadle.name = "o"})
    attributes {treadle.mixer, treadle.backward} {
  %p = treadle.part %x, 0, 1 : !treadle.field<BTH, 2xf32> -> !treadle.field<BTH, f32>
  // expected-error @+1 {{a mixer whose arrays are taken apart has no backward; expected arguments and fills}}
  %r = treadle.scan (%p) from () {
  ^bb0(%xt: f32):
    treadle.yield %xt : f32
  } : (!treadle.field<BTH, f32>) from () -> (!treadle.field<BTH, f32>)
  return %r : !treadle.field<BTH, f32>
}

// -----

// expected-error @+1 {{a backward calls arrays of its own so: expected a name that neither begins with kept_ nor ends with _grad, found 'q_grad'}}
func.func @named(%x: !treadle.field<BTH, f32> {treadle.name = "q_grad"}) -> (!treadle.field<BTH, f32> {treadle.name = "o"})
    attributes {treadle.mixer, treadle.backward} {
  %r = treadle.scan (%x) from () {
  ^bb0(%xt: f32):
    treadle.yield %xt : f32
  } : (!treadle.field<BTH, f32>) from () -> (!treadle.field<BTH, f32>)
  return %r : !treadle.field<BTH, f32>
}
