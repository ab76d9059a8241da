// Every op, type and attribute, printed and parsed again.
// RUN: treadle-opt %s | FileCheck %s
// RUN: treadle-opt %s | treadle-opt | FileCheck %s

// CHECK: func.func private @fields(!treadle.field<BTH, 80x64xbf16>, !treadle.field<BTG, 5xf16>, !treadle.field<BT, i32>, !treadle.field<BH, f32>, !treadle.field<TH, f32>, !treadle.field<B, 3xf32>, !treadle.field<T, f32>, !treadle.field<H, f32>, !treadle.field<G, f32>, !treadle.field<64xf32>, !treadle.field<f32>, !treadle.field<i32>, !treadle.field<bf16>, !treadle.field<f16>)
func.func private @fields(!treadle.field<BTH, 80x64xbf16>, !treadle.field<BTG, 5xf16>, !treadle.field<BT, i32>,
                          !treadle.field<BH, f32>, !treadle.field<TH, f32>, !treadle.field<B, 3xf32>,
                          !treadle.field<T, f32>, !treadle.field<H, f32>, !treadle.field<G, f32>,
                          !treadle.field<64xf32>, !treadle.field<f32>, !treadle.field<i32>, !treadle.field<bf16>,
                          !treadle.field<f16>)

// CHECK: func.func @mixer(%[[X:.*]]: !treadle.field<BTH, 5xbf16> {treadle.align = 16 : i64, treadle.name = "x"}, %[[S:.*]]: !treadle.field<BH, 5xf32>
// CHECK-SAME: attributes {tile.num_warps = 1 : i32, treadle.indexed, treadle.mixer, treadle.packed}
func.func @mixer(%x: !treadle.field<BTH, 5xbf16> {treadle.name = "x", treadle.align = 16},
                 %S0: !treadle.field<BH, 5xf32> {treadle.name = "S"})
    -> (!treadle.field<BTH, bf16> {treadle.name = "y"}, !treadle.field<BH, 5xf32> {treadle.name = "S"})
    attributes {treadle.mixer, treadle.packed, treadle.indexed, tile.num_warps = 1 : i32} {
  // CHECK: %[[FILL:.*]] = treadle.fill 0xFF800000 : !treadle.field<BH, 7x3xf32>
  %z = treadle.fill 0xFF800000 : !treadle.field<BH, 7x3xf32>
  // CHECK: %[[O:.*]]:3 = treadle.scan(%[[X]]) from(%[[S]], %[[FILL]]) noncausal reverse {
  // CHECK-NEXT: ^bb0(%{{.*}}: tensor<5xf32>, %{{.*}}: tensor<5xf32>, %{{.*}}: tensor<7x3xf32>):
  %y, %S1, %Z1 = treadle.scan (%x) from (%S0, %z) noncausal reverse {
  ^bb0(%x1: tensor<5xf32>, %S: tensor<5xf32>, %Z: tensor<7x3xf32>):
    %new = arith.addf %S, %x1 : tensor<5xf32>
    // CHECK: tile.expand_dims %{{.*}}, 0 : tensor<5xf32> -> tensor<1x5xf32>
    %e = tile.expand_dims %new, 0 : tensor<5xf32> -> tensor<1x5xf32>
    // CHECK: tile.broadcast %{{.*}} : tensor<1x5xf32> -> tensor<3x5xf32>
    %b = tile.broadcast %e : tensor<1x5xf32> -> tensor<3x5xf32>
    // CHECK: tile.transpose %{{.*}}, [1, 0] : tensor<3x5xf32> -> tensor<5x3xf32>
    %t = tile.transpose %b, [1, 0] : tensor<3x5xf32> -> tensor<5x3xf32>
    // CHECK: tile.reshape %{{.*}} : tensor<5x3xf32> -> tensor<15xf32>
    %r = tile.reshape %t : tensor<5x3xf32> -> tensor<15xf32>
    // CHECK: tile.iota : tensor<15xi32>
    %i = tile.iota : tensor<15xi32>
    %f = arith.sitofp %i : tensor<15xi32> to tensor<15xf32>
    %m = arith.mulf %r, %f : tensor<15xf32>
    %out = tile.reduce (%m) along 0 {
    ^bb0(%p: f32, %q: f32):
      %sum = arith.addf %p, %q : f32
      tile.yield %sum : f32
    } : (tensor<15xf32>) -> f32
    // CHECK: tile.splat %{{.*}} : f32 -> tensor<7x3xf32>
    %w = tile.splat %out : f32 -> tensor<7x3xf32>
    // CHECK: treadle.yield %{{.*}} : f32 next %{{.*}}, %{{.*}} : tensor<5xf32>, tensor<7x3xf32>
    treadle.yield %out : f32 next %new, %w : tensor<5xf32>, tensor<7x3xf32>
  // CHECK: } : (!treadle.field<BTH, 5xbf16>) from (!treadle.field<BH, 5xf32>, !treadle.field<BH, 7x3xf32>) -> (!treadle.field<BTH, bf16>, !treadle.field<BH, 5xf32>, !treadle.field<BH, 7x3xf32>)
  } : (!treadle.field<BTH, 5xbf16>) from (!treadle.field<BH, 5xf32>, !treadle.field<BH, 7x3xf32>)
    -> (!treadle.field<BTH, bf16>, !treadle.field<BH, 5xf32>, !treadle.field<BH, 7x3xf32>)
  return %y, %S1 : !treadle.field<BTH, bf16>, !treadle.field<BH, 5xf32>
}

func.func @only_outputs(%x: !treadle.field<BTH, f32> {treadle.name = "x"})
    -> (!treadle.field<BTH, f32> {treadle.name = "y"}) attributes {treadle.mixer} {
  // CHECK: treadle.scan(%{{.*}}) from() {
  %y = treadle.scan (%x) from () {
  ^bb0(%x1: f32):
    // CHECK: treadle.yield %{{.*}} : f32{{$}}
    treadle.yield %x1 : f32
  } : (!treadle.field<BTH, f32>) from () -> (!treadle.field<BTH, f32>)
  return %y : !treadle.field<BTH, f32>
}

func.func @only_states(%x: !treadle.field<BTH, f32> {treadle.name = "x"})
    -> (!treadle.field<BH, f32> {treadle.name = "s"}) attributes {treadle.mixer} {
  %z = treadle.fill 0.0 : !treadle.field<BH, f32>
  %s = treadle.scan (%x) from (%z) {
  ^bb0(%x1: f32, %s0: f32):
    %n = arith.addf %x1, %s0 : f32
    // CHECK: treadle.yield next %{{.*}} : f32{{$}}
    treadle.yield next %n : f32
  } : (!treadle.field<BTH, f32>) from (!treadle.field<BH, f32>) -> (!treadle.field<BH, f32>)
  return %s : !treadle.field<BH, f32>
}

// CHECK-LABEL: func.func @log_add_exp
func.func @log_add_exp(%x: !treadle.field<BTH, f32> {treadle.name = "x"})
    -> (!treadle.field<BH, f32> {treadle.name = "z"}) attributes {treadle.mixer} {
  %z0 = treadle.fill 0xFF800000 : !treadle.field<BH, f32>
  %z1 = treadle.scan (%x) from (%z0) {
  ^bb0(%x1: f32, %z: f32):
    // CHECK: treadle.logaddexp %{{.*}}, %{{.*}} : f32
    %n = treadle.logaddexp %z, %x1 : f32
    treadle.yield next %n : f32
  } : (!treadle.field<BTH, f32>) from (!treadle.field<BH, f32>) -> (!treadle.field<BH, f32>)
  return %z1 : !treadle.field<BH, f32>
}
