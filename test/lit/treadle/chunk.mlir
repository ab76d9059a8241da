// Mixers in normal form as kernels that take a chunk of tokens at once.
// RUN: treadle-opt %s --treadle-chunk --canonicalize --cse --split-input-file -verify-diagnostics | FileCheck %s

// One decay for a head: weights of scores are the same in all chunks, and computed before the loop; four products.
// CHECK-LABEL: func.func @constant_decay(
// CHECK-SAME: tile.num_warps = 4 : i32
// CHECK-SAME: treadle.derivation = {chunk = 64 : i64, states = [{chunk = "scores are weighted by e^(b_i - b_j), {{[^"]*}}", class = "linear: {{[^"]*}}", decay = "one for the whole state", name = "S"}]}
// CHECK: %[[W:.*]] = math.exp {{.*}} : tensor<64x64xf32>
// CHECK: scf.for %[[T:.*]] = %{{.*}} iter_args(%[[S:.*]] = %{{.*}}) -> (tensor<32x16xf32>)
// CHECK: %[[Q:.*]] = tile.load %{{.*}}[%{{.*}}, %[[T]], %{{.*}}, %{{.*}}] along [1, 3] : {{.*}} -> tensor<64x16xbf16>
// CHECK: %[[P:.*]] = tile.dot %[[Q]], %{{.*}} -> tensor<64x64xf32>
// CHECK: arith.mulf %[[P]], %{{.*}}
// CHECK: tile.dot {{.*}} -> tensor<32x64xf32>
// CHECK: tile.dot {{.*}} -> tensor<32x64xf32>
// CHECK: tile.store %{{.*}}, %{{.*}}[%{{.*}}, %[[T]], %{{.*}}, %{{.*}}] along [1, 3]
// CHECK: %[[NEXT:.*]] = tile.dot {{.*}} -> tensor<32x16xf32>
// CHECK: scf.yield %[[NEXT]]
func.func @constant_decay(
    %q: !treadle.field<BTH, 16xbf16> {treadle.name = "q"}, %k: !treadle.field<BTH, 16xbf16> {treadle.name = "k"},
    %v: !treadle.field<BTH, 32xbf16> {treadle.name = "v"}, %g: !treadle.field<H, f32> {treadle.name = "g"})
    -> (!treadle.field<BTH, 32xbf16> {treadle.name = "o"}, !treadle.field<BH, 16x32xf32> {treadle.name = "S"})
    attributes {treadle.mixer, treadle.chunk = 64 : i32} {
  %S0 = treadle.fill 0.0 : !treadle.field<BH, 16x32xf32>
  %o, %S1 = treadle.scan (%q, %k, %v, %g) from (%S0) {
  ^bb0(%q1: tensor<16xf32>, %k1: tensor<16xf32>, %v1: tensor<32xf32>, %g1: f32, %S: tensor<16x32xf32>):
    %d = math.exp %g1 : f32
    %ds = tile.splat %d : f32 -> tensor<16x32xf32>
    %old = arith.mulf %ds, %S : tensor<16x32xf32>
    %kc = tile.expand_dims %k1, 1 : tensor<16xf32> -> tensor<16x1xf32>
    %kb = tile.broadcast %kc : tensor<16x1xf32> -> tensor<16x32xf32>
    %vr = tile.expand_dims %v1, 0 : tensor<32xf32> -> tensor<1x32xf32>
    %vb = tile.broadcast %vr : tensor<1x32xf32> -> tensor<16x32xf32>
    %kv = arith.mulf %kb, %vb : tensor<16x32xf32>
    %new = arith.addf %old, %kv : tensor<16x32xf32>
    %qc = tile.expand_dims %q1, 1 : tensor<16xf32> -> tensor<16x1xf32>
    %qb = tile.broadcast %qc : tensor<16x1xf32> -> tensor<16x32xf32>
    %qS = arith.mulf %qb, %new : tensor<16x32xf32>
    %out = tile.reduce (%qS) along 0 {
    ^bb0(%a: f32, %b: f32):
      %c = arith.addf %a, %b : f32
      tile.yield %c : f32
    } : (tensor<16x32xf32>) -> tensor<32xf32>
    treadle.yield %out : tensor<32xf32> next %new : tensor<16x32xf32>
  } : (!treadle.field<BTH, 16xbf16>, !treadle.field<BTH, 16xbf16>, !treadle.field<BTH, 32xbf16>, !treadle.field<H, f32>)
    from (!treadle.field<BH, 16x32xf32>) -> (!treadle.field<BTH, 32xbf16>, !treadle.field<BH, 16x32xf32>)
  return %o, %S1 : !treadle.field<BTH, 32xbf16>, !treadle.field<BH, 16x32xf32>
}

// -----

// A decay for each channel and token, in segments: the first kernel keeps states and sums of decays, the second begins
// with what those before it come to. In a chunk there may be several parts, whose outputs go to their own rows.
// CHECK-LABEL: func.func @channel_decay_segments(
// CHECK-SAME: tile.dims = ["segments", "B", "H", 16], tile.name = "segment_state0"
// CHECK-SAME: tile.dims = ["segments", "B", "H", 16], tile.name = "segment_decay0"
// CHECK-SAME: tile.grid_dims = ["H", "B", "segments"]
// CHECK: scf.for
// CHECK: scf.while
// CHECK: tile.scan
// CHECK-NOT: tile.dot
// CHECK: tile.store
// CHECK: tile.store
// CHECK-LABEL: func.func @channel_decay(
// CHECK: scf.for
// CHECK: tile.load %{{.*}} : !tile.view<?x?x?x16xf32, {{.*}}> -> tensor<16xf32>
// CHECK: scf.for
// CHECK: scf.while
// CHECK: scf.condition
// CHECK: tile.reduce
// CHECK: arith.minsi
// CHECK: tile.slice
func.func @channel_decay(
    %q: !treadle.field<BTH, 16xf32> {treadle.name = "q"}, %k: !treadle.field<BTH, 16xf32> {treadle.name = "k"},
    %g: !treadle.field<BTH, 16xf32> {treadle.name = "g"})
    -> (!treadle.field<BTH, f32> {treadle.name = "o"}) attributes {treadle.mixer, treadle.chunk = 16 : i32, treadle.split} {
  %n0 = treadle.fill 0.0 : !treadle.field<BH, 16xf32>
  %o, %n1 = treadle.scan (%q, %k, %g) from (%n0) {
  ^bb0(%q1: tensor<16xf32>, %k1: tensor<16xf32>, %g1: tensor<16xf32>, %n: tensor<16xf32>):
    %d = math.exp %g1 : tensor<16xf32>
    %old = arith.mulf %d, %n : tensor<16xf32>
    %new = arith.addf %old, %k1 : tensor<16xf32>
    %qn = arith.mulf %q1, %new : tensor<16xf32>
    %out = tile.reduce (%qn) along 0 {
    ^bb0(%a: f32, %b: f32):
      %c = arith.addf %a, %b : f32
      tile.yield %c : f32
    } : (tensor<16xf32>) -> f32
    treadle.yield %out : f32 next %new : tensor<16xf32>
  } : (!treadle.field<BTH, 16xf32>, !treadle.field<BTH, 16xf32>, !treadle.field<BTH, 16xf32>)
    from (!treadle.field<BH, 16xf32>) -> (!treadle.field<BTH, f32>, !treadle.field<BH, 16xf32>)
  return %o : !treadle.field<BTH, f32>
}

// -----

// States that run: scans along time, from the last token to the first, joined by what came before.
// CHECK-LABEL: func.func @running(
// CHECK: scf.for
// CHECK: tile.scan (%{{.*}}) along 0 reverse
// CHECK: arith.maximumf
// CHECK: tile.extract %{{.*}}, [0, 0] : tensor<32x16xf32> -> tensor<1x16xf32>
func.func @running(%x: !treadle.field<BTH, 16xf32> {treadle.name = "x"})
    -> (!treadle.field<BTH, 16xf32> {treadle.name = "o"}) attributes {treadle.mixer, treadle.chunk = 32 : i32} {
  %m0 = treadle.fill 0.0 : !treadle.field<BH, 16xf32>
  %o, %m1 = treadle.scan (%x) from (%m0) reverse {
  ^bb0(%x1: tensor<16xf32>, %m: tensor<16xf32>):
    %new = arith.maximumf %m, %x1 : tensor<16xf32>
    treadle.yield %new : tensor<16xf32> next %new : tensor<16xf32>
  } : (!treadle.field<BTH, 16xf32>) from (!treadle.field<BH, 16xf32>) -> (!treadle.field<BTH, 16xf32>, !treadle.field<BH, 16xf32>)
  return %o : !treadle.field<BTH, 16xf32>
}

// -----

// For 16-bit results exponentials are the hardware's; sines, logarithms and tanh are not.
// CHECK-LABEL: func.func @exactness(
// CHECK-DAG: math.exp %{{.*}} fastmath<contract,afn> : tensor<64x16xf32>
// CHECK-DAG: math.sin %{{.*}} fastmath<contract> : tensor<64x16xf32>
// CHECK-DAG: math.log %{{.*}} fastmath<contract> : tensor<64x16xf32>
// CHECK-DAG: math.tanh %{{.*}} fastmath<contract> : tensor<64x16xf32>
func.func @exactness(%x: !treadle.field<BTH, 16xbf16> {treadle.name = "x"})
    -> (!treadle.field<BTH, 16xbf16> {treadle.name = "o"}) attributes {treadle.mixer, treadle.chunk = 64 : i32} {
  %s0 = treadle.fill 0.0 : !treadle.field<BH, 16xf32>
  %o, %s1 = treadle.scan (%x) from (%s0) {
  ^bb0(%x1: tensor<16xf32>, %s: tensor<16xf32>):
    %a = math.exp %x1 : tensor<16xf32>
    %b = math.sin %a : tensor<16xf32>
    %c = math.log %b : tensor<16xf32>
    %d = math.tanh %c : tensor<16xf32>
    %new = arith.addf %s, %d : tensor<16xf32>
    treadle.yield %new : tensor<16xf32> next %new : tensor<16xf32>
  } : (!treadle.field<BTH, 16xbf16>) from (!treadle.field<BH, 16xf32>) -> (!treadle.field<BTH, 16xbf16>, !treadle.field<BH, 16xf32>)
  return %o : !treadle.field<BTH, 16xbf16>
}

// -----

// Left as it is: a state that is put through a function.
// CHECK-LABEL: func.func @in_no_form(
// CHECK-SAME: treadle.derivation = {chunk = 1 : i64, {{.*}}reason = "the state's old value is used here other than in a product, a sum or a running function"}
// CHECK: treadle.scan
func.func @in_no_form(%x: !treadle.field<BTH, 16xf32> {treadle.name = "x"})
    -> (!treadle.field<BTH, 16xf32> {treadle.name = "o"}) attributes {treadle.mixer, treadle.chunk = 0 : i32} {
  %h0 = treadle.fill 0.0 : !treadle.field<BH, 16xf32>
  %o, %h1 = treadle.scan (%x) from (%h0) {
  ^bb0(%x1: tensor<16xf32>, %h: tensor<16xf32>):
    %sum = arith.addf %h, %x1 : tensor<16xf32>
    // expected-remark @below {{computed token by token, not in chunks: the state's old value is used here other than in a product, a sum or a running function}}
    %new = math.tanh %sum : tensor<16xf32>
    treadle.yield %new : tensor<16xf32> next %new : tensor<16xf32>
  } : (!treadle.field<BTH, 16xf32>) from (!treadle.field<BH, 16xf32>) -> (!treadle.field<BTH, 16xf32>, !treadle.field<BH, 16xf32>)
  return %o : !treadle.field<BTH, 16xf32>
}

// -----

// Left as it is: a decay by what is read from a state.
// CHECK-LABEL: func.func @decay_by_a_readout(
// CHECK: treadle.scan
func.func @decay_by_a_readout(%x: !treadle.field<BTH, 16xf32> {treadle.name = "x"})
    -> (!treadle.field<BTH, f32> {treadle.name = "o"}) attributes {treadle.mixer, treadle.chunk = 0 : i32} {
  %a0 = treadle.fill 0.0 : !treadle.field<BH, 16xf32>
  %b0 = treadle.fill 0.0 : !treadle.field<BH, 16xf32>
  %o, %a1, %b1 = treadle.scan (%x) from (%a0, %b0) {
  ^bb0(%x1: tensor<16xf32>, %a: tensor<16xf32>, %b: tensor<16xf32>):
    %a2 = arith.addf %a, %x1 : tensor<16xf32>
    %xa = arith.mulf %x1, %a2 : tensor<16xf32>
    // expected-remark @below {{computed token by token, not in chunks: a decay depends on what is read from state 0}}
    %r = tile.reduce (%xa) along 0 {
    ^bb0(%p: f32, %q: f32):
      %c = arith.addf %p, %q : f32
      tile.yield %c : f32
    } : (tensor<16xf32>) -> f32
    %d = math.exp %r : f32
    %ds = tile.splat %d : f32 -> tensor<16xf32>
    %old = arith.mulf %ds, %b : tensor<16xf32>
    %b2 = arith.addf %old, %x1 : tensor<16xf32>
    %xb = arith.mulf %x1, %b2 : tensor<16xf32>
    %y = tile.reduce (%xb) along 0 {
    ^bb0(%p: f32, %q: f32):
      %c = arith.addf %p, %q : f32
      tile.yield %c : f32
    } : (tensor<16xf32>) -> f32
    treadle.yield %y : f32 next %a2, %b2 : tensor<16xf32>, tensor<16xf32>
  } : (!treadle.field<BTH, 16xf32>) from (!treadle.field<BH, 16xf32>, !treadle.field<BH, 16xf32>)
    -> (!treadle.field<BTH, f32>, !treadle.field<BH, 16xf32>, !treadle.field<BH, 16xf32>)
  return %o : !treadle.field<BTH, f32>
}

// -----

// Not in segments: what one state adds depends on what another is at that token.
// CHECK-LABEL: func.func @not_split(
// CHECK-NOT: func.func
func.func @not_split(%x: !treadle.field<BTH, 16xf32> {treadle.name = "x"})
    -> (!treadle.field<BTH, 16xf32> {treadle.name = "o"}) attributes {treadle.mixer, treadle.chunk = 16 : i32, treadle.split} {
  %a0 = treadle.fill 0.0 : !treadle.field<BH, 16xf32>
  %b0 = treadle.fill 0.0 : !treadle.field<BH, 16xf32>
  // expected-remark @below {{sequences are not split: a state changes by what another is at a token}}
  %o, %a1, %b1 = treadle.scan (%x) from (%a0, %b0) {
  ^bb0(%x1: tensor<16xf32>, %a: tensor<16xf32>, %b: tensor<16xf32>):
    %s = arith.addf %a, %x1 : tensor<16xf32>
    %t = arith.addf %b, %s : tensor<16xf32>
    treadle.yield %t : tensor<16xf32> next %s, %t : tensor<16xf32>, tensor<16xf32>
  } : (!treadle.field<BTH, 16xf32>) from (!treadle.field<BH, 16xf32>, !treadle.field<BH, 16xf32>)
    -> (!treadle.field<BTH, 16xf32>, !treadle.field<BH, 16xf32>, !treadle.field<BH, 16xf32>)
  return %o : !treadle.field<BTH, 16xf32>
}

// -----

// expected-error @below {{treadle.split: a noncausal scan is not split into segments}}
func.func @noncausal(%x: !treadle.field<BTH, 16xf32> {treadle.name = "x"})
    -> (!treadle.field<BTH, 16xf32> {treadle.name = "o"}) attributes {treadle.mixer, treadle.chunk = 16 : i32, treadle.split} {
  %a0 = treadle.fill 0.0 : !treadle.field<BH, 16xf32>
  %o, %a1 = treadle.scan (%x) from (%a0) noncausal {
  ^bb0(%x1: tensor<16xf32>, %a: tensor<16xf32>):
    %s = arith.addf %a, %x1 : tensor<16xf32>
    treadle.yield %s : tensor<16xf32> next %s : tensor<16xf32>
  } : (!treadle.field<BTH, 16xf32>) from (!treadle.field<BH, 16xf32>)
    -> (!treadle.field<BTH, 16xf32>, !treadle.field<BH, 16xf32>)
  return %o : !treadle.field<BTH, 16xf32>
}

// -----

// expected-error @below {{treadle.chunk is 16, 32, 64, 128 or 256 as i32, or 0, found 24 : i32}}
func.func @f() attributes {treadle.mixer, treadle.chunk = 24 : i32} { return }

// -----

// expected-error @below {{treadle.split has no value, found 2 : i32}}
func.func @f() attributes {treadle.mixer, treadle.split = 2 : i32} { return }
