// RUN: treadle-opt %s --split-input-file --treadle-chunk 2>&1 | FileCheck %s

// What is read before the token adds to it: scores are of tokens before, weights without the token's own decay.

// CHECK-NOT:   remark
// CHECK-LABEL: func.func @old(
// CHECK-SAME:    treadle.derivation = {chunk = 64 : i64, states = [{chunk = "scores are weighted
// CHECK-SAME:    class = "linear: e^g S + key {{.*}} value, before the token read by sums over axis 0"
// CHECK:         scf.for
// CHECK:           %[[SUMS:.*]] = tile.scan
// CHECK:             arith.addf
// CHECK:           %[[SHIFTED:.*]]:3 = tile.scan
// CHECK:           arith.cmpi sgt, {{.*}} : tensor<64x64xi32>
// CHECK:           %[[P:.*]] = tile.dot {{.*}} -> tensor<64x64xf32>
func.func @old(%q: !treadle.field<BTH, 32xbf16> {treadle.name = "q"}, %k: !treadle.field<BTH, 32xbf16> {treadle.name = "k"},
               %v: !treadle.field<BTH, 32xbf16> {treadle.name = "v"}, %g: !treadle.field<BTH, f32> {treadle.name = "g"})
    -> (!treadle.field<BTH, 32xbf16> {treadle.name = "o"}) attributes {treadle.mixer, treadle.chunk = 64 : i32} {
  %S = treadle.fill 0.0 : !treadle.field<BH, 32x32xf32>
  %r:2 = treadle.scan (%q, %k, %v, %g) from (%S) {
  ^bb0(%qt: tensor<32xf32>, %kt: tensor<32xf32>, %vt: tensor<32xf32>, %gt: f32, %St: tensor<32x32xf32>):
    %a = math.exp %gt : f32
    %wide = tile.splat %a : f32 -> tensor<32x32xf32>
    %0 = arith.mulf %wide, %St : tensor<32x32xf32>
    %1 = tile.expand_dims %kt, 1 : tensor<32xf32> -> tensor<32x1xf32>
    %2 = tile.expand_dims %vt, 0 : tensor<32xf32> -> tensor<1x32xf32>
    %3 = tile.broadcast %1 : tensor<32x1xf32> -> tensor<32x32xf32>
    %4 = tile.broadcast %2 : tensor<1x32xf32> -> tensor<32x32xf32>
    %5 = arith.mulf %3, %4 : tensor<32x32xf32>
    %6 = arith.addf %0, %5 : tensor<32x32xf32>
    %7 = tile.expand_dims %qt, 1 : tensor<32xf32> -> tensor<32x1xf32>
    %8 = tile.broadcast %7 : tensor<32x1xf32> -> tensor<32x32xf32>
    %9 = arith.mulf %8, %St : tensor<32x32xf32>
    %o = tile.reduce (%9) along 0 {
    ^bb0(%x: f32, %y: f32):
      %z = arith.addf %x, %y : f32
      tile.yield %z : f32
    } : (tensor<32x32xf32>) -> (tensor<32xf32>)
    treadle.yield %o : tensor<32xf32> next %6 : tensor<32x32xf32>
  } : (!treadle.field<BTH, 32xbf16>, !treadle.field<BTH, 32xbf16>, !treadle.field<BTH, 32xbf16>, !treadle.field<BTH, f32>) from (!treadle.field<BH, 32x32xf32>) -> (!treadle.field<BTH, 32xbf16>, !treadle.field<BH, 32x32xf32>)
  return %r#0 : !treadle.field<BTH, 32xbf16>
}

// -----

// The sum is read, over both axes, before it decays.

// CHECK-NOT:   remark
// CHECK-LABEL: func.func @both(
// CHECK-SAME:    class = "linear: e^g (S + key {{.*}} value), before its decay read by sums over both axes"
func.func @both(%q: !treadle.field<BTH, 32xbf16> {treadle.name = "q"}, %k: !treadle.field<BTH, 32xbf16> {treadle.name = "k"},
               %v: !treadle.field<BTH, 32xbf16> {treadle.name = "v"}, %g: !treadle.field<BTH, f32> {treadle.name = "g"})
    -> (!treadle.field<BTH, 32xbf16> {treadle.name = "o0"}, !treadle.field<BTH, 32xbf16> {treadle.name = "o1"})
    attributes {treadle.mixer, treadle.chunk = 64 : i32} {
  %S = treadle.fill 0.0 : !treadle.field<BH, 32x32xf32>
  %r:3 = treadle.scan (%q, %k, %v, %g) from (%S) {
  ^bb0(%qt: tensor<32xf32>, %kt: tensor<32xf32>, %vt: tensor<32xf32>, %gt: f32, %St: tensor<32x32xf32>):
    %1 = tile.expand_dims %kt, 1 : tensor<32xf32> -> tensor<32x1xf32>
    %2 = tile.expand_dims %vt, 0 : tensor<32xf32> -> tensor<1x32xf32>
    %3 = tile.broadcast %1 : tensor<32x1xf32> -> tensor<32x32xf32>
    %4 = tile.broadcast %2 : tensor<1x32xf32> -> tensor<32x32xf32>
    %5 = arith.mulf %3, %4 : tensor<32x32xf32>
    %6 = arith.addf %St, %5 : tensor<32x32xf32>
    %7 = tile.expand_dims %qt, 1 : tensor<32xf32> -> tensor<32x1xf32>
    %8 = tile.broadcast %7 : tensor<32x1xf32> -> tensor<32x32xf32>
    %9 = arith.mulf %8, %6 : tensor<32x32xf32>
    %o0 = tile.reduce (%9) along 0 {
    ^bb0(%x: f32, %y: f32):
      %z = arith.addf %x, %y : f32
      tile.yield %z : f32
    } : (tensor<32x32xf32>) -> (tensor<32xf32>)
    %10 = arith.mulf %4, %6 : tensor<32x32xf32>
    %o1 = tile.reduce (%10) along 1 {
    ^bb0(%x: f32, %y: f32):
      %z = arith.addf %x, %y : f32
      tile.yield %z : f32
    } : (tensor<32x32xf32>) -> (tensor<32xf32>)
    %a = math.exp %gt : f32
    %wide = tile.splat %a : f32 -> tensor<32x32xf32>
    %next = arith.mulf %wide, %6 : tensor<32x32xf32>
    treadle.yield %o0, %o1 : tensor<32xf32>, tensor<32xf32> next %next : tensor<32x32xf32>
  } : (!treadle.field<BTH, 32xbf16>, !treadle.field<BTH, 32xbf16>, !treadle.field<BTH, 32xbf16>, !treadle.field<BTH, f32>) from (!treadle.field<BH, 32x32xf32>) -> (!treadle.field<BTH, 32xbf16>, !treadle.field<BTH, 32xbf16>, !treadle.field<BH, 32x32xf32>)
  return %r#0, %r#1 : !treadle.field<BTH, 32xbf16>, !treadle.field<BTH, 32xbf16>
}

// -----

// The old value of a running state, all tokens' at once.

// CHECK-NOT:   remark
// CHECK-LABEL: func.func @before(
// CHECK:         %[[Z:.*]]:2 = tile.scan
// CHECK:         %[[SHIFTED:.*]]:3 = tile.scan
// CHECK:         tile.store
func.func @before(%k: !treadle.field<BTH, 32xf32> {treadle.name = "k"}) -> (!treadle.field<BTH, 32xf32> {treadle.name = "o"})
    attributes {treadle.mixer, treadle.chunk = 64 : i32} {
  %z = treadle.fill 0xFF800000 : !treadle.field<BH, 32xf32>
  %r:2 = treadle.scan (%k) from (%z) {
  ^bb0(%kt: tensor<32xf32>, %zt: tensor<32xf32>):
    %0 = treadle.logaddexp %zt, %kt : tensor<32xf32>
    treadle.yield %zt : tensor<32xf32> next %0 : tensor<32xf32>
  } : (!treadle.field<BTH, 32xf32>) from (!treadle.field<BH, 32xf32>) -> (!treadle.field<BTH, 32xf32>, !treadle.field<BH, 32xf32>)
  return %r#0 : !treadle.field<BTH, 32xf32>
}

// -----

// Small differences matter: operands that were computed are sums of two bf16 parts, those that were loaded are their own.

// CHECK-LABEL: func.func @parts(
// CHECK:         scf.for
// CHECK:           %[[Q:.*]] = tile.load %arg0
// CHECK:           %[[K:.*]] = tile.load %arg1
// CHECK:           tile.dot %[[Q]], {{.*}} : tensor<64x32xbf16>, tensor<32x64xbf16> -> tensor<64x64xf32>
// CHECK:           %[[HIGH:.*]] = arith.truncf %[[S:.*]] : tensor<32x32xf32> to tensor<32x32xbf16>
// CHECK:           %[[WIDE:.*]] = arith.extf %[[HIGH]]
// CHECK:           %[[REST:.*]] = arith.subf %[[S]], %[[WIDE]]
// CHECK:           %[[LOW:.*]] = arith.truncf %[[REST]]
// CHECK:           %[[SUM:.*]] = tile.dot %[[LOW]], {{.*}} : tensor<32x32xbf16>, tensor<32x64xbf16> -> tensor<32x64xf32>
// CHECK:           tile.dot %[[HIGH]], {{.*}}, %[[SUM]] : tensor<32x32xbf16>, tensor<32x64xbf16> -> tensor<32x64xf32>
// CHECK-COUNT-4:   tile.dot {{.*}}bf16>, {{.*}}bf16>
func.func @parts(%q: !treadle.field<BTH, 32xbf16> {treadle.name = "q"}, %k: !treadle.field<BTH, 32xbf16> {treadle.name = "k"},
               %v: !treadle.field<BTH, 32xbf16> {treadle.name = "v"}, %g: !treadle.field<BTH, f32> {treadle.name = "g"})
    -> (!treadle.field<BTH, 32xbf16> {treadle.name = "o"}) attributes {treadle.mixer, treadle.chunk = 64 : i32} {
  %S = treadle.fill 0.0 : !treadle.field<BH, 32x32xf32>
  %r:2 = treadle.scan (%q, %k, %v, %g) from (%S) {
  ^bb0(%qt: tensor<32xf32>, %kt: tensor<32xf32>, %vt: tensor<32xf32>, %gt: f32, %St: tensor<32x32xf32>):
    %a = math.exp %gt : f32
    %wide = tile.splat %a : f32 -> tensor<32x32xf32>
    %0 = arith.mulf %wide, %St : tensor<32x32xf32>
    %1 = tile.expand_dims %kt, 1 : tensor<32xf32> -> tensor<32x1xf32>
    %2 = tile.expand_dims %vt, 0 : tensor<32xf32> -> tensor<1x32xf32>
    %3 = tile.broadcast %1 : tensor<32x1xf32> -> tensor<32x32xf32>
    %4 = tile.broadcast %2 : tensor<1x32xf32> -> tensor<32x32xf32>
    %5 = arith.mulf %3, %4 : tensor<32x32xf32>
    %6 = arith.addf %0, %5 : tensor<32x32xf32>
    %7 = tile.expand_dims %qt, 1 : tensor<32xf32> -> tensor<32x1xf32>
    %8 = tile.broadcast %7 : tensor<32x1xf32> -> tensor<32x32xf32>
    %9 = arith.mulf %8, %6 : tensor<32x32xf32>
    %o = tile.reduce (%9) along 0 {
    ^bb0(%x: f32, %y: f32):
      %z = arith.addf %x, %y : f32
      tile.yield %z : f32
    } {treadle.parts = 2 : i64} : (tensor<32x32xf32>) -> (tensor<32xf32>)
    treadle.yield %o : tensor<32xf32> next %6 : tensor<32x32xf32>
  } : (!treadle.field<BTH, 32xbf16>, !treadle.field<BTH, 32xbf16>, !treadle.field<BTH, 32xbf16>, !treadle.field<BTH, f32>) from (!treadle.field<BH, 32x32xf32>) -> (!treadle.field<BTH, 32xbf16>, !treadle.field<BH, 32x32xf32>)
  return %r#0 : !treadle.field<BTH, 32xbf16>
}

// -----

// A share of the shared memory of a block, too little for as many rows as are asked for.

// CHECK-LABEL: func.func @little(
// CHECK-SAME:    treadle.derivation = {chunk = 32 : i64
module attributes {treadle.shared_bytes = {little = 40000 : i64}} {
func.func @little(%q: !treadle.field<BTH, 32xbf16> {treadle.name = "q"}, %k: !treadle.field<BTH, 32xbf16> {treadle.name = "k"},
               %v: !treadle.field<BTH, 32xbf16> {treadle.name = "v"}, %g: !treadle.field<BTH, f32> {treadle.name = "g"})
    -> (!treadle.field<BTH, 32xbf16> {treadle.name = "o"}) attributes {treadle.mixer, treadle.chunk = 64 : i32} {
  %S = treadle.fill 0.0 : !treadle.field<BH, 32x32xf32>
  %r:2 = treadle.scan (%q, %k, %v, %g) from (%S) {
  ^bb0(%qt: tensor<32xf32>, %kt: tensor<32xf32>, %vt: tensor<32xf32>, %gt: f32, %St: tensor<32x32xf32>):
    %a = math.exp %gt : f32
    %wide = tile.splat %a : f32 -> tensor<32x32xf32>
    %0 = arith.mulf %wide, %St : tensor<32x32xf32>
    %1 = tile.expand_dims %kt, 1 : tensor<32xf32> -> tensor<32x1xf32>
    %2 = tile.expand_dims %vt, 0 : tensor<32xf32> -> tensor<1x32xf32>
    %3 = tile.broadcast %1 : tensor<32x1xf32> -> tensor<32x32xf32>
    %4 = tile.broadcast %2 : tensor<1x32xf32> -> tensor<32x32xf32>
    %5 = arith.mulf %3, %4 : tensor<32x32xf32>
    %6 = arith.addf %0, %5 : tensor<32x32xf32>
    %7 = tile.expand_dims %qt, 1 : tensor<32xf32> -> tensor<32x1xf32>
    %8 = tile.broadcast %7 : tensor<32x1xf32> -> tensor<32x32xf32>
    %9 = arith.mulf %8, %St : tensor<32x32xf32>
    %o = tile.reduce (%9) along 0 {
    ^bb0(%x: f32, %y: f32):
      %z = arith.addf %x, %y : f32
      tile.yield %z : f32
    } : (tensor<32x32xf32>) -> (tensor<32xf32>)
    treadle.yield %o : tensor<32xf32> next %6 : tensor<32x32xf32>
  } : (!treadle.field<BTH, 32xbf16>, !treadle.field<BTH, 32xbf16>, !treadle.field<BTH, 32xbf16>, !treadle.field<BTH, f32>) from (!treadle.field<BH, 32x32xf32>) -> (!treadle.field<BTH, 32xbf16>, !treadle.field<BH, 32x32xf32>)
  return %r#0 : !treadle.field<BTH, 32xbf16>
}
}
