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
