// What cannot be taken apart.
// RUN: treadle-opt %s --treadle-split-axes --split-input-file --verify-diagnostics

func.func @reshaped(%x: !treadle.field<BTH, 6xf32> {treadle.name = "x"}) -> (!treadle.field<BTH, f32> {treadle.name = "y"}) attributes {treadle.mixer} {
  %y = treadle.scan (%x) from () {
  ^bb0(%x1: tensor<6xf32>):
    %p = treadle.part %x1, 0, 1 : tensor<6xf32> -> f32
    // expected-error @below {{axis 0 of 'tensor<6xf32>' is made of parts, or taken apart, elsewhere; it cannot be reshaped}}
    %r = tile.reshape %x1 : tensor<6xf32> -> tensor<2x3xf32>
    treadle.yield %p : f32
  } : (!treadle.field<BTH, 6xf32>) from () -> (!treadle.field<BTH, f32>)
  return %y : !treadle.field<BTH, f32>
}

// -----

func.func @constant(%x: !treadle.field<BTH, 2xf32> {treadle.name = "x"}) -> (!treadle.field<BTH, f32> {treadle.name = "y"}) attributes {treadle.mixer} {
  %y = treadle.scan (%x) from () {
  ^bb0(%x1: tensor<2xf32>):
    // expected-error @below {{a constant tensor has one value everywhere; build others from tile.iota}}
    %c = arith.constant dense<[1.0, 2.0]> : tensor<2xf32>
    %s = arith.addf %x1, %c : tensor<2xf32>
    %p = treadle.part %s, 0, 1 : tensor<2xf32> -> f32
    treadle.yield %p : f32
  } : (!treadle.field<BTH, 2xf32>) from () -> (!treadle.field<BTH, f32>)
  return %y : !treadle.field<BTH, f32>
}
