// Mixers as kernels that walk the sequence.
// RUN: treadle-opt %s --treadle-sequential --split-input-file | FileCheck %s

// Arguments, grid, grouped heads, inputs outside the loop, padding.
// CHECK: #[[MAP:.*]] = affine_map<()[s0, s1] -> (1, s0, s1)>
// CHECK: func.func @grouped(
// CHECK-SAME: %[[Q:[^:]*]]: !tile.view<?x?x?x80xbf16> {tile.dims = ["B", "T", "H", 80], tile.name = "q"}
// CHECK-SAME: %[[K:[^:]*]]: !tile.view<?x?x?x80xbf16, align = 16> {tile.dims = ["B", "T", "G", 80], tile.name = "k"}
// CHECK-SAME: %[[D:[^:]*]]: !tile.view<?xf32, strides = [?]> {tile.dims = ["H"], tile.name = "d"}
// CHECK-SAME: %[[W:[^:]*]]: !tile.view<4x80xf32, strides = [80, 1]> {tile.dims = [4, 80], tile.name = "w"}
// CHECK-SAME: %[[S0:[^:]*]]: !tile.view<?x?x4x80xf32, strides = [?, ?, 80, 1]> {tile.dims = ["B", "H", 4, 80], tile.name = "S_initial"}
// CHECK-SAME: %[[O:[^:]*]]: !tile.view<?x?x?x4xbf16, align = 8> {tile.dims = ["B", "T", "H", 4], tile.name = "o"}
// CHECK-SAME: %[[S1:[^:]*]]: !tile.view<?x?x4x80xf32, strides = [?, ?, 80, 1]> {tile.dims = ["B", "H", 4, 80], tile.name = "S_final"}
// CHECK-SAME: attributes {tile.fast_math, tile.grid = #[[MAP]], tile.grid_dims = ["H", "B"], tile.kernel, tile.num_warps = 2 : i32}
func.func @grouped(
    %q: !treadle.field<BTH, 80xbf16> {treadle.name = "q"},
    %k: !treadle.field<BTG, 80xbf16> {treadle.name = "k", treadle.align = 16},
    %d: !treadle.field<H, f32> {treadle.name = "d"}, %w: !treadle.field<4x80xf32> {treadle.name = "w"},
    %S0: !treadle.field<BH, 4x80xf32> {treadle.name = "S"})
    -> (!treadle.field<BTH, 4xbf16> {treadle.name = "o", treadle.align = 8}, !treadle.field<BH, 4x80xf32> {treadle.name = "S"})
    attributes {treadle.mixer, tile.num_warps = 2 : i32, tile.fast_math} {
  // CHECK-DAG: %[[C0:.*]] = arith.constant 0 : index
  // CHECK-DAG: %[[HEAD:.*]] = tile.program_id 1
  // CHECK-DAG: %[[B:.*]] = tile.program_id 2
  // CHECK: %[[H:.*]] = tile.dim %[[Q]], 2
  // CHECK: %[[G:.*]] = tile.dim %[[K]], 2
  // CHECK: %[[GROUPS:.*]] = arith.maxsi %[[G]], %{{.*}} : index
  // CHECK: %[[EACH:.*]] = arith.divsi %[[H]], %[[GROUPS]] : index
  // CHECK: %[[LEAST:.*]] = arith.maxsi %[[EACH]], %{{.*}} : index
  // CHECK: %[[GROUP:.*]] = arith.divsi %[[HEAD]], %[[LEAST]] : index
  // CHECK: %[[T:.*]] = tile.dim %[[Q]], 1
  // CHECK: %[[D1:.*]] = tile.load %[[D]][%[[HEAD]]] along []
  // CHECK: %[[W1:.*]] = tile.load %[[W]][%[[C0]], %[[C0]]] along [0, 1] : {{.*}} -> tensor<4x128xf32>
  // CHECK: %[[INIT:.*]] = tile.load %[[S0]][%[[B]], %[[HEAD]], %[[C0]], %[[C0]]] along [2, 3] : {{.*}} -> tensor<4x128xf32>
  // CHECK: %[[QL0:.*]] = tile.load %[[Q]][%[[B]], %[[C0]], %[[HEAD]], %[[C0]]] along [3] : {{.*}} -> tensor<128xbf16>
  // CHECK: %[[Q0:.*]] = arith.extf %[[QL0]] : tensor<128xbf16> to tensor<128xf32>
  // CHECK: tile.load %[[K]][%[[B]], %[[C0]], %[[GROUP]], %[[C0]]] along [3]
  // CHECK: %[[K0:.*]] = arith.extf
  // CHECK: %[[LOOP:.*]]:3 = scf.for %[[I:.*]] = %[[C0]] to %[[T]] step %{{.*}} iter_args(%[[S:.*]] = %[[INIT]], %[[Q1:.*]] = %[[Q0]], %[[K1:.*]] = %[[K0]])
  %o, %S1 = treadle.scan (%q, %k, %d, %w) from (%S0) {
  ^bb0(%q1: tensor<80xf32>, %k1: tensor<80xf32>, %d1: f32, %w1: tensor<4x80xf32>, %S: tensor<4x80xf32>):
    // CHECK: %[[THEN:.*]] = arith.addi %[[I]], %{{.*}} : index
    // CHECK: %[[QL:.*]] = tile.load %[[Q]][%[[B]], %[[THEN]], %[[HEAD]], %[[C0]]] along [3] : {{.*}} -> tensor<128xbf16>
    // CHECK: %[[QN:.*]] = arith.extf %[[QL]] : tensor<128xbf16> to tensor<128xf32>
    // CHECK: tile.load %[[K]][%[[B]], %[[THEN]], %[[GROUP]], %[[C0]]] along [3]
    // CHECK: %[[KN:.*]] = arith.extf
    // CHECK: tile.splat %[[D1]] : f32 -> tensor<4x128xf32>
    %dd = tile.splat %d1 : f32 -> tensor<4x80xf32>
    %old = arith.mulf %dd, %S : tensor<4x80xf32>
    // CHECK: tile.reshape %[[K1]] : tensor<128xf32> -> tensor<1x128xf32>
    %ke = tile.reshape %k1 : tensor<80xf32> -> tensor<1x80xf32>
    // CHECK: tile.broadcast %{{.*}} : tensor<1x128xf32> -> tensor<4x128xf32>
    %kk = tile.broadcast %ke : tensor<1x80xf32> -> tensor<4x80xf32>
    // CHECK: %[[KV:.*]] = arith.mulf %{{.*}}, %[[W1]] fastmath<contract> : tensor<4x128xf32>
    %kv = arith.mulf %kk, %w1 : tensor<4x80xf32>
    // CHECK: %[[NEW:.*]] = arith.addf %{{.*}}, %[[KV]]
    %new = arith.addf %old, %kv : tensor<4x80xf32>
    %qe = tile.expand_dims %q1, 0 : tensor<80xf32> -> tensor<1x80xf32>
    %qq = tile.broadcast %qe : tensor<1x80xf32> -> tensor<4x80xf32>
    // CHECK: %[[P:.*]] = arith.mulf
    %p = arith.mulf %qq, %new : tensor<4x80xf32>
    // CHECK: %[[AT:.*]] = tile.iota : tensor<128xi32>
    // CHECK: %[[SIZE:.*]] = arith.constant dense<80> : tensor<128xi32>
    // CHECK: %[[IN:.*]] = arith.cmpi slt, %[[AT]], %[[SIZE]] : tensor<128xi32>
    // CHECK: %[[IN1:.*]] = tile.expand_dims %[[IN]], 0 : tensor<128xi1> -> tensor<1x128xi1>
    // CHECK: %[[IN2:.*]] = tile.broadcast %[[IN1]] : tensor<1x128xi1> -> tensor<4x128xi1>
    // CHECK: %[[ZERO:.*]] = arith.constant dense<0.000000e+00> : tensor<4x128xf32>
    // CHECK: %[[MASKED:.*]] = arith.select %[[IN2]], %[[P]], %[[ZERO]]
    // CHECK: tile.reduce (%[[MASKED]]) along 1
    %out = tile.reduce (%p) along 1 {
    ^bb0(%a: f32, %b: f32):
      %s = arith.addf %a, %b : f32
      tile.yield %s : f32
    } : (tensor<4x80xf32>) -> tensor<4xf32>
    // CHECK: %[[OUT:.*]] = arith.truncf %{{.*}} : tensor<4xf32> to tensor<4xbf16>
    // CHECK: tile.store %[[OUT]], %[[O]][%[[B]], %[[I]], %[[HEAD]], %[[C0]]] along [3]
    // CHECK: scf.yield %[[NEW]], %[[QN]], %[[KN]]
    treadle.yield %out : tensor<4xf32> next %new : tensor<4x80xf32>
  } : (!treadle.field<BTH, 80xbf16>, !treadle.field<BTG, 80xbf16>, !treadle.field<H, f32>, !treadle.field<4x80xf32>)
    from (!treadle.field<BH, 4x80xf32>) -> (!treadle.field<BTH, 4xbf16>, !treadle.field<BH, 4x80xf32>)
  // CHECK: tile.store %[[LOOP]]#0, %[[S1]][%[[B]], %[[HEAD]], %[[C0]], %[[C0]]] along [2, 3]
  return %o, %S1 : !treadle.field<BTH, 4xbf16>, !treadle.field<BH, 4x80xf32>
}

// -----

// Packed sequences from pools of states, backwards.
// CHECK: #[[MAP:.*]] = affine_map<()[s0, s1] -> (1, s0, s1 - 1)>
// CHECK: func.func @packed(
// CHECK-SAME: %[[X:[^:]*]]: !tile.view<1x?x?xf32, strides = [?, ?, ?]> {tile.dims = [1, "T", "H"], tile.name = "x"}
// CHECK-SAME: %[[S0:[^:]*]]: !tile.view<?x?xf32, strides = [?, ?]> {tile.dims = ["P", "H"], tile.name = "s_initial"}
// CHECK-SAME: %[[S1:[^:]*]]: !tile.view<?x?xf32, strides = [?, ?]> {tile.dims = ["P", "H"], tile.name = "s_final"}
// CHECK-SAME: %[[CU:[^:]*]]: !tile.view<?xi64, strides = [?]> {tile.dims = ["N1"], tile.name = "cu_seqlens"}
// CHECK-SAME: %[[AT:[^:]*]]: !tile.view<?xi64, strides = [?]> {tile.dims = ["N"], tile.name = "state_indices"}
// CHECK-SAME: tile.grid_dims = ["H", "N1"]
func.func @packed(%x: !treadle.field<BTH, f32> {treadle.name = "x"}, %s0: !treadle.field<BH, f32> {treadle.name = "s"})
    -> (!treadle.field<BH, f32> {treadle.name = "s"}) attributes {treadle.mixer, treadle.packed, treadle.indexed} {
  // CHECK: %[[C0:.*]] = arith.constant 0 : index
  // CHECK: %[[HEAD:.*]] = tile.program_id 1
  // CHECK: %[[N:.*]] = tile.program_id 2
  // CHECK: tile.load %[[CU]][%[[N]]] along []
  // CHECK: %[[FIRST:.*]] = arith.index_cast %{{.*}} : i64 to index
  // CHECK: %[[N1:.*]] = arith.addi %[[N]], %{{.*}} : index
  // CHECK: tile.load %[[CU]][%[[N1]]] along []
  // CHECK: %[[END:.*]] = arith.index_cast %{{.*}} : i64 to index
  // CHECK: %[[LENGTH:.*]] = arith.subi %[[END]], %[[FIRST]] : index
  // CHECK: tile.load %[[AT]][%[[N]]] along []
  // CHECK: %[[ENTRY:.*]] = arith.index_cast %{{.*}} : i64 to index
  // CHECK: %[[INIT:.*]] = tile.load %[[S0]][%[[ENTRY]], %[[HEAD]]] along []
  // CHECK: %[[LAST:.*]] = arith.subi %[[LENGTH]], %{{.*}} : index
  // CHECK: %[[BACK:.*]] = arith.subi %[[LAST]], %[[C0]] : index
  // CHECK: %[[TIME:.*]] = arith.addi %[[FIRST]], %[[BACK]] : index
  // CHECK: %[[X0:.*]] = tile.load %[[X]][%[[C0]], %[[TIME]], %[[HEAD]]] along []
  // CHECK: %[[LOOP:.*]]:2 = scf.for %[[I:.*]] = %[[C0]] to %[[LENGTH]] step %{{.*}} iter_args(%{{.*}} = %[[INIT]], %{{.*}} = %[[X0]]) -> (f32, f32)
  // CHECK: %[[THEN:.*]] = arith.addi %[[I]], %{{.*}} : index
  // CHECK: %[[LAST1:.*]] = arith.subi %[[LENGTH]], %{{.*}} : index
  // CHECK: %[[BACK1:.*]] = arith.subi %[[LAST1]], %[[THEN]] : index
  // CHECK: %[[TIME1:.*]] = arith.addi %[[FIRST]], %[[BACK1]] : index
  // CHECK: tile.load %[[X]][%[[C0]], %[[TIME1]], %[[HEAD]]] along []
  // CHECK: tile.store %[[LOOP]]#0, %[[S1]][%[[ENTRY]], %[[HEAD]]] along []
  %s1 = treadle.scan (%x) from (%s0) reverse {
  ^bb0(%x1: f32, %s: f32):
    %n = arith.addf %x1, %s : f32
    treadle.yield next %n : f32
  } : (!treadle.field<BTH, f32>) from (!treadle.field<BH, f32>) -> (!treadle.field<BH, f32>)
  return %s1 : !treadle.field<BH, f32>
}

// -----

// The states first, then the outputs, each with what it needs alone.
// CHECK-LABEL: func.func @noncausal(
// CHECK-SAME: %[[Q:[^:]*]]: {{[^,]*}}, strides = [?, ?, ?]> {{[^%]*}}%[[K:[^:]*]]:
func.func @noncausal(%q: !treadle.field<BTH, f32> {treadle.name = "q"}, %k: !treadle.field<BTH, f32> {treadle.name = "k"})
    -> (!treadle.field<BTH, f32> {treadle.name = "o"}) attributes {treadle.mixer} {
  // CHECK: %[[FILL:.*]] = arith.constant 1.000000e+00 : f32
  %s0 = treadle.fill 1.0 : !treadle.field<BH, f32>
  // CHECK: %[[K0:.*]] = tile.load %[[K]]
  // CHECK: %[[FINAL:.*]]:2 = scf.for {{.*}} iter_args(%[[S:.*]] = %[[FILL]], %[[K1:.*]] = %[[K0]]) -> (f32, f32) {
  // CHECK: %[[KN:.*]] = tile.load %[[K]]
  // CHECK-NEXT: %[[N:.*]] = arith.addf %[[S]], %[[K1]] : f32
  // CHECK-NEXT: scf.yield %[[N]], %[[KN]] : f32, f32
  // CHECK: %[[Q0:.*]] = tile.load %[[Q]]
  // CHECK: scf.for {{.*}} iter_args(%[[Q1:.*]] = %[[Q0]]) -> (f32) {
  // CHECK: %[[QN:.*]] = tile.load %[[Q]]
  // CHECK-NEXT: %[[O:.*]] = arith.mulf %[[Q1]], %[[FINAL]]#0 : f32
  // CHECK-NEXT: tile.store %[[O]]
  // CHECK-NEXT: scf.yield %[[QN]] : f32
  %o, %s1 = treadle.scan (%q, %k) from (%s0) noncausal {
  ^bb0(%q1: f32, %k1: f32, %s: f32):
    %n = arith.addf %s, %k1 : f32
    %out = arith.mulf %q1, %n : f32
    treadle.yield %out : f32 next %n : f32
  } : (!treadle.field<BTH, f32>, !treadle.field<BTH, f32>) from (!treadle.field<BH, f32>)
    -> (!treadle.field<BTH, f32>, !treadle.field<BH, f32>)
  return %o : !treadle.field<BTH, f32>
}

// -----

// Blocks share the last axis of S; what has no such axis is computed by all and written by the first.
// CHECK: #[[MAP:.*]] = affine_map<()[s0, s1] -> (3, s0, s1)>
// CHECK-LABEL: func.func @shared(
func.func @shared(%k: !treadle.field<BTH, 8xf32> {treadle.name = "k"}, %v: !treadle.field<BTH, 130xf32> {treadle.name = "v"})
    -> (!treadle.field<BTH, 130xf32> {treadle.name = "o"}, !treadle.field<BH, 8x130xf32> {treadle.name = "S"},
        !treadle.field<BH, 8xf32> {treadle.name = "z"}) attributes {treadle.mixer} {
  %z0 = treadle.fill 0.0 : !treadle.field<BH, 8xf32>
  %S0 = treadle.fill 0.0 : !treadle.field<BH, 8x130xf32>
  // CHECK: %[[C0:.*]] = arith.constant 0 : index
  // CHECK: %[[BLOCK:.*]] = tile.program_id 0
  // CHECK: %[[WIDTH:.*]] = arith.constant 64 : index
  // CHECK: %[[AT:.*]] = arith.muli %[[BLOCK]], %[[WIDTH]] : index
  // CHECK: tile.load {{.*}}, %[[C0]]] along [3] : {{.*}} -> tensor<8xf32>
  // CHECK: tile.load {{.*}}, %[[AT]]] along [3] : {{.*}} -> tensor<64xf32>
  // CHECK: tile.store {{.*}}, %[[AT]]] along [3] : tensor<64xf32>
  // CHECK: tile.store {{.*}}, %[[C0]], %[[AT]]] along [2, 3] : tensor<8x64xf32>
  // CHECK: %[[FIRST:.*]] = arith.cmpi eq, %[[BLOCK]], %[[C0]] : index
  // CHECK: scf.if %[[FIRST]] {
  // CHECK-NEXT: tile.store {{.*}} along [2] : tensor<8xf32>
  // CHECK-NEXT: }
  %o, %S1, %z1 = treadle.scan (%k, %v) from (%S0, %z0) {
  ^bb0(%k1: tensor<8xf32>, %v1: tensor<130xf32>, %S: tensor<8x130xf32>, %z: tensor<8xf32>):
    %zn = arith.addf %z, %k1 : tensor<8xf32>
    %ke = tile.expand_dims %zn, 1 : tensor<8xf32> -> tensor<8x1xf32>
    %kk = tile.broadcast %ke : tensor<8x1xf32> -> tensor<8x130xf32>
    %ve = tile.expand_dims %v1, 0 : tensor<130xf32> -> tensor<1x130xf32>
    %vv = tile.broadcast %ve : tensor<1x130xf32> -> tensor<8x130xf32>
    %kv = arith.mulf %kk, %vv : tensor<8x130xf32>
    %new = arith.addf %S, %kv : tensor<8x130xf32>
    %out = tile.reduce (%new) along 0 {
    ^bb0(%a: f32, %b: f32):
      %s = arith.addf %a, %b : f32
      tile.yield %s : f32
    } : (tensor<8x130xf32>) -> tensor<130xf32>
    treadle.yield %out : tensor<130xf32> next %new, %zn : tensor<8x130xf32>, tensor<8xf32>
  } : (!treadle.field<BTH, 8xf32>, !treadle.field<BTH, 130xf32>)
    from (!treadle.field<BH, 8x130xf32>, !treadle.field<BH, 8xf32>)
    -> (!treadle.field<BTH, 130xf32>, !treadle.field<BH, 8x130xf32>, !treadle.field<BH, 8xf32>)
  return %o, %S1, %z1 : !treadle.field<BTH, 130xf32>, !treadle.field<BH, 8x130xf32>, !treadle.field<BH, 8xf32>
}

// -----

// Two axes of the state are one: their diagonal is not shared.
// CHECK: #[[MAP:.*]] = affine_map<()[s0, s1] -> (1, s0, s1)>
// CHECK-LABEL: func.func @symmetric(
func.func @symmetric(%x: !treadle.field<BTH, 128xf32> {treadle.name = "x"}, %S0: !treadle.field<BH, 128x128xf32> {treadle.name = "S"})
    -> (!treadle.field<BH, 128x128xf32> {treadle.name = "S"}) attributes {treadle.mixer} {
  %S1 = treadle.scan (%x) from (%S0) {
  ^bb0(%x1: tensor<128xf32>, %S: tensor<128x128xf32>):
    %t = tile.transpose %S, [1, 0] : tensor<128x128xf32> -> tensor<128x128xf32>
    %n = arith.addf %t, %S : tensor<128x128xf32>
    treadle.yield next %n : tensor<128x128xf32>
  } : (!treadle.field<BTH, 128xf32>) from (!treadle.field<BH, 128x128xf32>) -> (!treadle.field<BH, 128x128xf32>)
  return %S1 : !treadle.field<BH, 128x128xf32>
}

// -----

// The padding of divisors is 1; places along a shared axis count from the block's first. Constants may be outside.
// CHECK-LABEL: func.func @divisor(
func.func @divisor(%n: !treadle.field<BTH, 70xi32> {treadle.name = "n"}, %S0: !treadle.field<BH, 70xf32> {treadle.name = "S"})
    -> (!treadle.field<BTH, 70xi32> {treadle.name = "y"}) attributes {treadle.mixer} {
  // CHECK: %[[AT:.*]] = arith.muli %{{.*}}, %{{.*}} : index
  // CHECK: %[[N0:.*]] = tile.load {{.*}} -> tensor<64xi32>
  // CHECK: scf.for {{.*}}, %[[N:.*]] = %[[N0]])
  // CHECK: arith.constant dense<7> : tensor<64xi32>
  // CHECK: tile.iota : tensor<64xi32>
  // CHECK: %[[START:.*]] = arith.index_cast %[[AT]] : index to i32
  // CHECK: %[[STARTS:.*]] = tile.splat %[[START]] : i32 -> tensor<64xi32>
  // CHECK: %[[PLACE:.*]] = arith.addi %{{.*}}, %[[STARTS]] : tensor<64xi32>
  // CHECK: %[[INSIDE:.*]] = arith.cmpi slt, %[[PLACE]], %{{.*}} : tensor<64xi32>
  // CHECK: %[[ONE:.*]] = arith.constant dense<1> : tensor<64xi32>
  // CHECK: %[[SAFE:.*]] = arith.select %[[INSIDE]], %[[N]], %[[ONE]]
  // CHECK: arith.divsi %{{.*}}, %[[SAFE]] : tensor<64xi32>
  %seven = arith.constant dense<7> : tensor<70xi32>
  %y, %S1 = treadle.scan (%n) from (%S0) {
  ^bb0(%n1: tensor<70xi32>, %S: tensor<70xf32>):
    %d = arith.divsi %seven, %n1 : tensor<70xi32>
    %f = arith.sitofp %d : tensor<70xi32> to tensor<70xf32>
    %new = arith.addf %S, %f : tensor<70xf32>
    treadle.yield %d : tensor<70xi32> next %new : tensor<70xf32>
  } : (!treadle.field<BTH, 70xi32>) from (!treadle.field<BH, 70xf32>)
    -> (!treadle.field<BTH, 70xi32>, !treadle.field<BH, 70xf32>)
  return %y : !treadle.field<BTH, 70xi32>
}
