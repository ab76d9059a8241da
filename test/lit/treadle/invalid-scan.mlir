// What the verifiers of treadle.scan, treadle.fill and treadle.yield refuse.
// RUN: treadle-opt %s -split-input-file -verify-diagnostics

func.func @f() attributes {treadle.mixer} {
  // expected-error @below {{expected a field over BH of f32, found '!treadle.field<BTH, f32>'}}
  %z = treadle.fill 0.0 : !treadle.field<BTH, f32>
  return
}

// -----

func.func @f() attributes {treadle.mixer} {
  // expected-error @below {{expected a field over BH of f32, found '!treadle.field<BH, bf16>'}}
  %z = treadle.fill 0.0 : !treadle.field<BH, bf16>
  return
}

// -----

func.func @f(%x: !treadle.field<BTH, f32>) {
  // expected-error @below {{expected to be in a function with treadle.mixer}}
  %y = treadle.scan (%x) from () {
  ^bb0(%x1: f32):
    treadle.yield %x1 : f32
  } : (!treadle.field<BTH, f32>) from () -> (!treadle.field<BTH, f32>)
  return
}

// -----

func.func @f(%x: !treadle.field<BTH, f32>) attributes {treadle.mixer} {
  // expected-error @below {{an initial state is a field over BH of f32, found '!treadle.field<BTH, f32>'}}
  %y = treadle.scan () from (%x) {
  ^bb0(%x1: f32):
    treadle.yield next %x1 : f32
  } : () from (!treadle.field<BTH, f32>) -> (!treadle.field<BTH, f32>)
  return
}

// -----

func.func @f(%x: !treadle.field<BH, f32>, %z: !treadle.field<BH, f32>) attributes {treadle.mixer} {
  // expected-error @below {{expected at least 2 results, one for every state, found 1}}
  %y = treadle.scan () from (%x, %z) {
  ^bb0(%x1: f32, %z1: f32):
    treadle.yield next %x1 : f32
  } : () from (!treadle.field<BH, f32>, !treadle.field<BH, f32>) -> (!treadle.field<BH, f32>)
  return
}

// -----

func.func @f(%x: !treadle.field<BTH, f32>) attributes {treadle.mixer} {
  // expected-error @below {{an output is a field over BTH, found '!treadle.field<BTG, f32>'}}
  %y = treadle.scan (%x) from () {
  ^bb0(%x1: f32):
    treadle.yield %x1 : f32
  } : (!treadle.field<BTH, f32>) from () -> (!treadle.field<BTG, f32>)
  return
}

// -----

func.func @f(%x: !treadle.field<BH, f32>) attributes {treadle.mixer} {
  // expected-error @below {{expected a final state of its initial state's type '!treadle.field<BH, f32>', found '!treadle.field<BH, 4xf32>'}}
  %y = treadle.scan () from (%x) {
  ^bb0(%x1: f32):
    treadle.yield next %x1 : f32
  } : () from (!treadle.field<BH, f32>) -> (!treadle.field<BH, 4xf32>)
  return
}

// -----

func.func @f(%x: !treadle.field<BTH, f32>) attributes {treadle.mixer} {
  // expected-error @below {{expected 1 arguments, found 2}}
  %y = treadle.scan (%x) from () {
  ^bb0(%x1: f32, %x2: f32):
    treadle.yield %x1 : f32
  } : (!treadle.field<BTH, f32>) from () -> (!treadle.field<BTH, f32>)
  return
}

// -----

func.func @f(%x: !treadle.field<BTH, 5xbf16>) attributes {treadle.mixer} {
  // expected-error @below {{argument 0: expected 'tensor<5xf32>', found 'tensor<5xbf16>'}}
  %y = treadle.scan (%x) from () {
  ^bb0(%x1: tensor<5xbf16>):
    treadle.yield %x1 : tensor<5xbf16>
  } : (!treadle.field<BTH, 5xbf16>) from () -> (!treadle.field<BTH, 5xbf16>)
  return
}

// -----

func.func @f(%x: !treadle.field<BTH, f32>) attributes {treadle.mixer} {
  // expected-error @below {{expected the step to end with treadle.yield, found 'llvm.unreachable'}}
  "treadle.scan"(%x) <{operandSegmentSizes = array<i32: 1, 0>}> ({
  ^bb0(%x1: f32):
    "llvm.unreachable"() : () -> ()
  }) : (!treadle.field<BTH, f32>) -> ()
  return
}

// -----

func.func @f(%x: !treadle.field<BTH, f32>) attributes {treadle.mixer} {
  %y = treadle.scan (%x) from () {
  ^bb0(%x1: f32):
    // expected-error @below {{expected 1 outputs, found 2}}
    treadle.yield %x1, %x1 : f32, f32
  } : (!treadle.field<BTH, f32>) from () -> (!treadle.field<BTH, f32>)
  return
}

// -----

func.func @f(%x: !treadle.field<BTH, i32>) attributes {treadle.mixer} {
  %y = treadle.scan (%x) from () {
  ^bb0(%x1: i32):
    // expected-error @below {{output 0: expected 'f32', found 'i32'}}
    treadle.yield %x1 : i32
  } : (!treadle.field<BTH, i32>) from () -> (!treadle.field<BTH, bf16>)
  return
}

// -----

func.func @f(%x: !treadle.field<BH, f32>) attributes {treadle.mixer} {
  %y = treadle.scan () from (%x) {
  ^bb0(%x1: f32):
    // expected-error @below {{expected 1 states, found 0}}
    treadle.yield
  } : () from (!treadle.field<BH, f32>) -> (!treadle.field<BH, f32>)
  return
}

// -----

func.func @f(%x: !treadle.field<BH, 5xf32>) attributes {treadle.mixer} {
  %y = treadle.scan () from (%x) {
  ^bb0(%x1: tensor<5xf32>):
    %c = arith.constant 0.0 : f32
    // expected-error @below {{state 0: expected 'tensor<5xf32>', found 'f32'}}
    treadle.yield next %c : f32
  } : () from (!treadle.field<BH, 5xf32>) -> (!treadle.field<BH, 5xf32>)
  return
}

// -----

func.func @f(%x: !treadle.field<BTH, 8x8xf32>) attributes {treadle.mixer} {
  %y = treadle.scan (%x) from () {
  ^bb0(%x1: tensor<8x8xf32>):
    // expected-error @below {{'tile.dot' is not part of a step; expected arith, math and tile.splat, expand_dims, broadcast, transpose, reshape, reduce and iota}}
    %d = tile.dot %x1, %x1, %x1 : tensor<8x8xf32>, tensor<8x8xf32> -> tensor<8x8xf32>
    treadle.yield %d : tensor<8x8xf32>
  } : (!treadle.field<BTH, 8x8xf32>) from () -> (!treadle.field<BTH, 8x8xf32>)
  return
}

// -----

func.func @f(%x: !treadle.field<BTH, f32>) attributes {treadle.mixer} {
  %y = treadle.scan (%x) from () {
  ^bb0(%x1: f32):
    // expected-error @below {{a step's values are f32, i1 and i32, and tensors of them of static shape, found 'f64'}}
    %d = arith.extf %x1 : f32 to f64
    %o = arith.truncf %d : f64 to f32
    treadle.yield %o : f32
  } : (!treadle.field<BTH, f32>) from () -> (!treadle.field<BTH, f32>)
  return
}

// -----

func.func @f(%x: !treadle.field<BTH, f32>) attributes {treadle.mixer} {
  %y = treadle.scan (%x) from () {
  ^bb0(%x1: f32):
    // expected-error @below {{a step's values are f32, i1 and i32, and tensors of them of static shape, found 'tensor<4xbf16>'}}
    %c = arith.constant dense<0.0> : tensor<4xbf16>
    treadle.yield %x1 : f32
  } : (!treadle.field<BTH, f32>) from () -> (!treadle.field<BTH, f32>)
  return
}

// -----

func.func @f(%x: !treadle.field<BTH, f32>) attributes {treadle.mixer} {
  %y = treadle.scan (%x) from () {
  ^bb0(%x1: f32):
    // expected-error @below {{a tile has at most 2^20 elements, found 'tensor<1025x1024xf32>'}}
    %c = arith.constant dense<0.0> : tensor<1025x1024xf32>
    treadle.yield %x1 : f32
  } : (!treadle.field<BTH, f32>) from () -> (!treadle.field<BTH, f32>)
  return
}

// -----

func.func @f(%x: !treadle.field<BTH, f32>, %s: f32) attributes {treadle.mixer} {
  %y = treadle.scan (%x) from () {
  ^bb0(%x1: f32):
    // expected-error @below {{a step uses nothing from outside but constants; pass values as inputs of the scan}}
    %o = arith.addf %x1, %s : f32
    treadle.yield %o : f32
  } : (!treadle.field<BTH, f32>) from () -> (!treadle.field<BTH, f32>)
  return
}

// -----

func.func @f(%a: f32) {
  // expected-error @below {{expects parent op 'treadle.scan'}}
  treadle.yield %a : f32
}

// -----

func.func @f(%x: !treadle.field<BTH, 4x3xf32>) attributes {treadle.mixer} {
  %y = treadle.scan (%x) from () {
  ^bb0(%x1: tensor<4x3xf32>):
    // expected-error @below {{axis 2 is out of range for 'tensor<4x3xf32>'}}
    %p = treadle.part %x1, 2, 0 : tensor<4x3xf32> -> tensor<4xf32>
    treadle.yield %x1 : tensor<4x3xf32>
  } : (!treadle.field<BTH, 4x3xf32>) from () -> (!treadle.field<BTH, 4x3xf32>)
  return
}

// -----

func.func @f(%x: !treadle.field<BTH, 4x3xf32>) attributes {treadle.mixer} {
  %y = treadle.scan (%x) from () {
  ^bb0(%x1: tensor<4x3xf32>):
    // expected-error @below {{expected a part of 'tensor<4x3xf32>' along axis 0, found 'tensor<2x2xf32>'}}
    %p = treadle.part %x1, 0, 1 : tensor<4x3xf32> -> tensor<2x2xf32>
    treadle.yield %x1 : tensor<4x3xf32>
  } : (!treadle.field<BTH, 4x3xf32>) from () -> (!treadle.field<BTH, 4x3xf32>)
  return
}

// -----

func.func @f(%x: !treadle.field<BTH, 4x3xf32>) attributes {treadle.mixer} {
  %y = treadle.scan (%x) from () {
  ^bb0(%x1: tensor<4x3xf32>):
    // expected-error @below {{expected a part of 'tensor<4x3xf32>' along axis 0, found 'tensor<2x3xi32>'}}
    %p = treadle.part %x1, 0, 1 : tensor<4x3xf32> -> tensor<2x3xi32>
    treadle.yield %x1 : tensor<4x3xf32>
  } : (!treadle.field<BTH, 4x3xf32>) from () -> (!treadle.field<BTH, 4x3xf32>)
  return
}

// -----

func.func @f(%x: !treadle.field<BTH, 4x3xf32>) attributes {treadle.mixer} {
  %y = treadle.scan (%x) from () {
  ^bb0(%x1: tensor<4x3xf32>):
    // expected-error @below {{elements 3 to 5 of axis 0, which has 4}}
    %p = treadle.part %x1, 0, 3 : tensor<4x3xf32> -> tensor<2x3xf32>
    treadle.yield %x1 : tensor<4x3xf32>
  } : (!treadle.field<BTH, 4x3xf32>) from () -> (!treadle.field<BTH, 4x3xf32>)
  return
}

// -----

func.func @f(%x: !treadle.field<BTH, 4x3xf32>) attributes {treadle.mixer} {
  %y = treadle.scan (%x) from () {
  ^bb0(%x1: tensor<4x3xf32>):
    // expected-error @below {{axis 2 is out of range for 'tensor<4x3xf32>'}}
    %p = treadle.concat (%x1) along 2 : (tensor<4x3xf32>) -> tensor<4x3xf32>
    treadle.yield %x1 : tensor<4x3xf32>
  } : (!treadle.field<BTH, 4x3xf32>) from () -> (!treadle.field<BTH, 4x3xf32>)
  return
}

// -----

func.func @f(%x: !treadle.field<BTH, 4x3xf32>) attributes {treadle.mixer} {
  %y = treadle.scan (%x) from () {
  ^bb0(%x1: tensor<4x3xf32>):
    // expected-error @below {{expected parts of 'tensor<8x4xf32>' along axis 0, found 'tensor<4x3xf32>'}}
    %p = treadle.concat (%x1, %x1) along 0 : (tensor<4x3xf32>, tensor<4x3xf32>) -> tensor<8x4xf32>
    treadle.yield %x1 : tensor<4x3xf32>
  } : (!treadle.field<BTH, 4x3xf32>) from () -> (!treadle.field<BTH, 4x3xf32>)
  return
}

// -----

func.func @f(%x: !treadle.field<BTH, 4x3xf32>) attributes {treadle.mixer} {
  %y = treadle.scan (%x) from () {
  ^bb0(%x1: tensor<4x3xf32>):
    // expected-error @below {{the parts have 8 elements along axis 0, the result 9}}
    %p = treadle.concat (%x1, %x1) along 0 : (tensor<4x3xf32>, tensor<4x3xf32>) -> tensor<9x3xf32>
    treadle.yield %x1 : tensor<4x3xf32>
  } : (!treadle.field<BTH, 4x3xf32>) from () -> (!treadle.field<BTH, 4x3xf32>)
  return
}
