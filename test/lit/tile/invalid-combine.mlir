// What the verifiers of reductions and scans refuse.
// RUN: treadle-opt %s -split-input-file -verify-diagnostics

func.func @f(%x0: tensor<8xf32>) {
  // expected-error @below {{expected 1 results, one per operand, found 2}}
  %r0, %r1 = tile.reduce (%x0) along 0 {
  ^bb0(%b0: f32, %b1: f32):
    tile.yield %b0 : f32
  } : (tensor<8xf32>) -> (f32, f32)
  return
}

// -----

func.func @f(%x0: tensor<8xf32>) {
  // expected-error @below {{axis 1 is out of range for 'tensor<8xf32>'}}
  %r0 = tile.reduce (%x0) along 1 {
  ^bb0(%b0: f32, %b1: f32):
    tile.yield %b0 : f32
  } : (tensor<8xf32>) -> (f32)
  return
}

// -----

func.func @f(%x0: tensor<8xf32>, %x1: tensor<4xf32>) {
  // expected-error @below {{expected operands of one shape, found 'tensor<8xf32>' and 'tensor<4xf32>'}}
  %r0, %r1 = tile.reduce (%x0, %x1) along 0 {
  ^bb0(%b0: f32, %b1: f32, %b2: f32, %b3: f32):
    tile.yield %b0, %b1 : f32, f32
  } : (tensor<8xf32>, tensor<4xf32>) -> (f32, f32)
  return
}

// -----

func.func @f(%x0: tensor<8xf32>) {
  // expected-error @below {{expected region arguments ('f32', 'f32'), found ('f32')}}
  %r0 = tile.reduce (%x0) along 0 {
  ^bb0(%b0: f32):
    tile.yield %b0 : f32
  } : (tensor<8xf32>) -> (f32)
  return
}

// -----

func.func @f(%x0: tensor<8xf32>) {
  // expected-error @below {{expected region arguments ('f32', 'f32'), found ('f32', 'i32')}}
  %r0 = tile.reduce (%x0) along 0 {
  ^bb0(%b0: f32, %b1: i32):
    tile.yield %b0 : f32
  } : (tensor<8xf32>) -> (f32)
  return
}

// -----

func.func @f(%x0: tensor<8xf32>) {
  // expected-error @below {{expected the region to yield ('f32'), found ('f32', 'f32')}}
  %r0 = tile.reduce (%x0) along 0 {
  ^bb0(%b0: f32, %b1: f32):
    tile.yield %b0, %b1 : f32, f32
  } : (tensor<8xf32>) -> (f32)
  return
}

// -----

func.func @f(%x0: tensor<6xf32>) {
  // expected-error @below {{a tile's sizes are powers of two, found 6 in 'tensor<6xf32>'}}
  %r0 = tile.reduce (%x0) along 0 {
  ^bb0(%b0: f32, %b1: f32):
    tile.yield %b0 : f32
  } : (tensor<6xf32>) -> (f32)
  return
}

// -----

func.func @f(%x0: tensor<4x8xf32>) {
  // expected-error @below {{reducing axis 1 of 'tensor<4x8xf32>' does not give 'tensor<8xf32>'}}
  %r0 = tile.reduce (%x0) along 1 {
  ^bb0(%b0: f32, %b1: f32):
    tile.yield %b0 : f32
  } : (tensor<4x8xf32>) -> (tensor<8xf32>)
  return
}

// -----

func.func @f(%x0: tensor<8xf32>) {
  // expected-error @below {{reducing axis 0 of 'tensor<8xf32>' does not give 'i32'}}
  %r0 = tile.reduce (%x0) along 0 {
  ^bb0(%b0: f32, %b1: f32):
    tile.yield %b0 : f32
  } : (tensor<8xf32>) -> (i32)
  return
}

// -----

func.func @f(%x0: tensor<8xf32>) {
  // expected-error @below {{expected 1 results, one per operand, found 2}}
  %r0, %r1 = tile.scan (%x0) along 0 {
  ^bb0(%b0: f32, %b1: f32):
    tile.yield %b0 : f32
  } : (tensor<8xf32>) -> (tensor<8xf32>, tensor<8xf32>)
  return
}

// -----

func.func @f(%x0: tensor<8xf32>) {
  // expected-error @below {{axis 1 is out of range for 'tensor<8xf32>'}}
  %r0 = tile.scan (%x0) along 1 {
  ^bb0(%b0: f32, %b1: f32):
    tile.yield %b0 : f32
  } : (tensor<8xf32>) -> (tensor<8xf32>)
  return
}

// -----

func.func @f(%x0: tensor<8xf32>, %x1: tensor<4xf32>) {
  // expected-error @below {{expected operands of one shape, found 'tensor<8xf32>' and 'tensor<4xf32>'}}
  %r0, %r1 = tile.scan (%x0, %x1) along 0 {
  ^bb0(%b0: f32, %b1: f32, %b2: f32, %b3: f32):
    tile.yield %b0, %b1 : f32, f32
  } : (tensor<8xf32>, tensor<4xf32>) -> (tensor<8xf32>, tensor<4xf32>)
  return
}

// -----

func.func @f(%x0: tensor<8xf32>) {
  // expected-error @below {{expected region arguments ('f32', 'f32'), found ('f32')}}
  %r0 = tile.scan (%x0) along 0 {
  ^bb0(%b0: f32):
    tile.yield %b0 : f32
  } : (tensor<8xf32>) -> (tensor<8xf32>)
  return
}

// -----

func.func @f(%x0: tensor<8xf32>) {
  // expected-error @below {{expected region arguments ('f32', 'f32'), found ('f32', 'i32')}}
  %r0 = tile.scan (%x0) along 0 {
  ^bb0(%b0: f32, %b1: i32):
    tile.yield %b0 : f32
  } : (tensor<8xf32>) -> (tensor<8xf32>)
  return
}

// -----

func.func @f(%x0: tensor<8xf32>) {
  // expected-error @below {{expected the region to yield ('f32'), found ('f32', 'f32')}}
  %r0 = tile.scan (%x0) along 0 {
  ^bb0(%b0: f32, %b1: f32):
    tile.yield %b0, %b1 : f32, f32
  } : (tensor<8xf32>) -> (tensor<8xf32>)
  return
}

// -----

func.func @f(%x0: tensor<6xf32>) {
  // expected-error @below {{a tile's sizes are powers of two, found 6 in 'tensor<6xf32>'}}
  %r0 = tile.scan (%x0) along 0 {
  ^bb0(%b0: f32, %b1: f32):
    tile.yield %b0 : f32
  } : (tensor<6xf32>) -> (tensor<6xf32>)
  return
}

// -----

func.func @f(%x0: tensor<8xf32>) {
  // expected-error @below {{expected results of the operands' types ('tensor<8xf32>'), found ('tensor<8xi32>')}}
  %r0 = tile.scan (%x0) along 0 {
  ^bb0(%b0: f32, %b1: f32):
    tile.yield %b0 : f32
  } : (tensor<8xf32>) -> (tensor<8xi32>)
  return
}

// -----

// A combine region reads no memory: it runs in whatever thread two elements meet.
func.func @region_load(%x: tensor<8xf32>, %v: !tile.view<?xf32>, %i: index) {
  // expected-error @below {{expected a region of scalar ops that access no memory, found 'tile.load'}}
  %r = tile.reduce (%x) along 0 {
  ^bb0(%a: f32, %b: f32):
    %c = tile.load %v[%i] along [] : !tile.view<?xf32> -> f32
    tile.yield %c : f32
  } : (tensor<8xf32>) -> f32
  return
}

// -----

// A combine region computes on scalars, not on tiles.
func.func @region_tensor(%x: tensor<8xf32>) {
  // expected-error @below {{expected a region of scalar ops that access no memory, found 'arith.addf'}}
  %r = tile.scan (%x) along 0 {
  ^bb0(%a: f32, %b: f32):
    %c = arith.addf %x, %x : tensor<8xf32>
    tile.yield %a : f32
  } : (tensor<8xf32>) -> tensor<8xf32>
  return
}
