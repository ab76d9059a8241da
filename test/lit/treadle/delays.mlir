// States that look back, in chunks.
// RUN: treadle-opt %s --pass-pipeline='builtin.module(treadle-split-axes,treadle-chunk,canonicalize,cse)' --split-input-file -verify-diagnostics | FileCheck %s

// A step that only looks back carries nothing: blocks take 256 tokens each, and past tokens are loaded from where they are. The past of the first
// tokens comes from the state's array, whose rows past the end read as zeros. The block with the last token writes the state.
// CHECK: #[[MAP:.*]] = affine_map<()[s0, s1, s2] -> (s2 floordiv 256 + 1, s0, s1)>
// CHECK-LABEL: func.func @conv
// CHECK-SAME: %[[X:[a-z0-9]+]]: !tile.view<?x?x?x64xf32> {{.*}}%[[PAST:[a-z0-9]+]]: !tile.view<?x?x2x64xf32, strides = [?, ?, 64, 1]> {tile.dims = ["B", "H", 2, 64], tile.name = "x_initial"}
// CHECK-SAME: tile.grid = #[[MAP]], tile.grid_dims = ["H", "B", "T"]
// CHECK-SAME: class = "a delay: a value of the token before", name = "x[0]"
// CHECK: %[[REST:.*]] = tile.narrow %[[PAST]], 2, 0 : {{.*}} -> !tile.view<?x?x2x64xf32
// CHECK: scf.for
// CHECK: %[[ROWS:.*]] = tile.load %[[REST]][%{{.*}}, %{{.*}}, %[[TIME:.*]], %{{.*}}] along [2, 3]
// CHECK: %[[BEFORE:.*]] = arith.subi %[[TIME]], %c2
// CHECK: tile.load %[[X]][%{{.*}}, %[[BEFORE]], %{{.*}}, %{{.*}}] along [1, 3] : !tile.view<?x?x?x64xf32> -> tensor<64x64xf32>
// CHECK: arith.addf %{{.*}}, %[[ROWS]]
// CHECK: scf.if
// CHECK: tile.store
func.func @conv(%x: !treadle.field<BTH, 64xf32> {treadle.name = "x"}, %p: !treadle.field<BH, 2x64xf32> {treadle.name = "x"})
    -> (!treadle.field<BTH, 64xf32> {treadle.name = "o"}, !treadle.field<BH, 2x64xf32> {treadle.name = "x"})
    attributes {treadle.mixer, treadle.chunk = 0 : i32} {
  %o, %p1 = treadle.scan (%x) from (%p) {
  ^bb0(%x1: tensor<64xf32>, %past: tensor<2x64xf32>):
    %w = treadle.concat (%past, %x1) along 0 : (tensor<2x64xf32>, tensor<64xf32>) -> tensor<3x64xf32>
    %out = tile.reduce (%w) along 0 {
    ^bb0(%a: f32, %b: f32):
      %sum = arith.addf %a, %b : f32
      tile.yield %sum : f32
    } : (tensor<3x64xf32>) -> tensor<64xf32>
    %new = treadle.part %w, 0, 1 : tensor<3x64xf32> -> tensor<2x64xf32>
    treadle.yield %out : tensor<64xf32> next %new : tensor<2x64xf32>
  } : (!treadle.field<BTH, 64xf32>) from (!treadle.field<BH, 2x64xf32>) -> (!treadle.field<BTH, 64xf32>, !treadle.field<BH, 2x64xf32>)
  return %o, %p1 : !treadle.field<BTH, 64xf32>, !treadle.field<BH, 2x64xf32>
}

// -----

// What is delayed is computed again from earlier inputs; at the first token of all, it is what the state was.
// CHECK-LABEL: func.func @computed
// CHECK: scf.for
// CHECK: %[[EARLIER:.*]] = tile.load
// CHECK: %[[E:.*]] = math.exp %[[EARLIER]]
// CHECK: %[[FIRST:.*]] = arith.cmpi eq
// CHECK: arith.select %{{.*}}, %{{.*}}, %[[E]] : tensor<64x64xi1>, tensor<64x64xf32>
func.func @computed(%x: !treadle.field<BTH, 64xf32> {treadle.name = "x"}) -> (!treadle.field<BTH, 64xf32> {treadle.name = "o"})
    attributes {treadle.mixer, treadle.chunk = 0 : i32} {
  %s0 = treadle.fill 0.5 : !treadle.field<BH, 64xf32>
  %o, %s2 = treadle.scan (%x) from (%s0) {
  ^bb0(%x1: tensor<64xf32>, %s: tensor<64xf32>):
    %e = math.exp %x1 : tensor<64xf32>
    treadle.yield %s : tensor<64xf32> next %e : tensor<64xf32>
  } : (!treadle.field<BTH, 64xf32>) from (!treadle.field<BH, 64xf32>) -> (!treadle.field<BTH, 64xf32>, !treadle.field<BH, 64xf32>)
  return %o : !treadle.field<BTH, 64xf32>
}

// -----

// A state cannot keep what another state was: that cannot be computed again.
// CHECK-LABEL: func.func @kept
func.func @kept(%x: !treadle.field<BTH, 64xf32> {treadle.name = "x"}) -> (!treadle.field<BTH, 64xf32> {treadle.name = "o"})
    attributes {treadle.mixer, treadle.chunk = 0 : i32} {
  %s0 = treadle.fill 0.0 : !treadle.field<BH, 64xf32>
  %o, %s2, %t2 = treadle.scan (%x) from (%s0, %s0) {
  ^bb0(%x1: tensor<64xf32>, %s: tensor<64xf32>, %t: tensor<64xf32>):
    // expected-remark @below {{computed token by token, not in chunks: a state keeps what comes from state 0}}
    %sum = arith.addf %s, %x1 : tensor<64xf32>
    treadle.yield %t : tensor<64xf32> next %sum, %sum : tensor<64xf32>, tensor<64xf32>
  } : (!treadle.field<BTH, 64xf32>) from (!treadle.field<BH, 64xf32>, !treadle.field<BH, 64xf32>)
    -> (!treadle.field<BTH, 64xf32>, !treadle.field<BH, 64xf32>, !treadle.field<BH, 64xf32>)
  return %o : !treadle.field<BTH, 64xf32>
}
