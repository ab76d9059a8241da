// What the verifiers of memory accesses refuse.
// RUN: treadle-opt %s -split-input-file -verify-diagnostics

func.func @f() {
  // expected-error @below {{attribute 'axis' failed to satisfy constraint: 32-bit signless integer attribute whose value is non-negative whose maximum value is 2}}
  %i = tile.program_id 3
  return
}

// -----

func.func @f(%v: !tile.view<?x?xf32>) {
  // expected-error @below {{axis 2 is out of range for '!tile.view<?x?xf32>'}}
  %n = tile.dim %v, 2 : !tile.view<?x?xf32>
  return
}

// -----

func.func @f(%v: !tile.view<?x6xf32, align = 16>) {
  // expected-error @below {{axis 2 is out of range for '!tile.view<?x6xf32, align = 16>'}}
  %w = tile.narrow %v, 2, 0 : !tile.view<?x6xf32, align = 16> -> !tile.view<?x6xf32, align = 16>
  return
}

// -----

func.func @f(%v: !tile.view<?x6xf32, align = 16>) {
  // expected-error @below {{expected an axis of known size and stride, found axis 0 of '!tile.view<?x6xf32, align = 16>'}}
  %w = tile.narrow %v, 0, 0 : !tile.view<?x6xf32, align = 16> -> !tile.view<?x6xf32, align = 16>
  return
}

// -----

func.func @f(%v: !tile.view<?x6xf32, align = 16>) {
  // expected-error @below {{expected a part of axis 1 of '!tile.view<?x6xf32, align = 16>' from 5 on, found '!tile.view<?x2xf32>'}}
  %w = tile.narrow %v, 1, 5 : !tile.view<?x6xf32, align = 16> -> !tile.view<?x2xf32>
  return
}

// -----

func.func @f(%v: !tile.view<?x6xf32, align = 16>) {
  // expected-error @below {{expected '!tile.view<?x2xf32, align = 8>', found '!tile.view<?x2xf32, align = 16>'}}
  %w = tile.narrow %v, 1, 2 : !tile.view<?x6xf32, align = 16> -> !tile.view<?x2xf32, align = 16>
  return
}

// -----

func.func @f(%v: !tile.view<?x?xf32>, %i: index) {
  // expected-error @below {{axis 2 is out of range for '!tile.view<?x?xf32>'}}
  %w = tile.slice %v, 2, %i, %i : !tile.view<?x?xf32>
  return
}

// -----

func.func @f(%v: !tile.view<4x?xf32>, %i: index) {
  // expected-error @below {{expected an axis of dynamic size, found axis 0 of '!tile.view<4x?xf32>'}}
  %w = tile.slice %v, 0, %i, %i : !tile.view<4x?xf32>
  return
}

// -----

func.func @f(%v: !tile.view<?x?xf32>, %i: index) {
  // expected-error @below {{expected an axis of dynamic stride, found axis 1 of '!tile.view<?x?xf32>'}}
  %w = tile.slice %v, 1, %i, %i : !tile.view<?x?xf32>
  return
}

// -----

func.func @f(%v: !tile.view<?x?xf32>, %i: index) {
  // expected-error @below {{expected 2 indices, one per axis of the view, found 1}}
  %t = tile.load %v[%i] along [0] : !tile.view<?x?xf32> -> tensor<8xf32>
  return
}

// -----

func.func @f(%v: !tile.view<?x?xf32>, %i: index) {
  // expected-error @below {{'along' must list axes of the view in ascending order, found 2}}
  %t = tile.load %v[%i, %i] along [2] : !tile.view<?x?xf32> -> tensor<8xf32>
  return
}

// -----

func.func @f(%v: !tile.view<?x?xf32>, %i: index) {
  // expected-error @below {{'along' must list axes of the view in ascending order, found 0}}
  %t = tile.load %v[%i, %i] along [1, 0] : !tile.view<?x?xf32> -> tensor<8x8xf32>
  return
}

// -----

func.func @f(%v: !tile.view<?x?xf32>, %i: index) {
  // expected-error @below {{expected a tile of rank 1, one axis per entry of 'along', found 'tensor<8x8xf32>'}}
  %t = tile.load %v[%i, %i] along [1] : !tile.view<?x?xf32> -> tensor<8x8xf32>
  return
}

// -----

func.func @f(%v: !tile.view<?x?xf32>, %i: index) {
  // expected-error @below {{expected a tile of rank 1, one axis per entry of 'along', found 'f32'}}
  %t = tile.load %v[%i, %i] along [1] : !tile.view<?x?xf32> -> f32
  return
}

// -----

func.func @f(%v: !tile.view<?x?xf32>, %i: index) {
  // expected-error @below {{expected elements of the view's type 'f32', found 'bf16'}}
  %t = tile.load %v[%i, %i] along [1] : !tile.view<?x?xf32> -> tensor<8xbf16>
  return
}

// -----

func.func @f(%v: !tile.view<?x?xf32>, %i: index, %o: bf16) {
  // expected-error @below {{expected 'other' of the view's type 'f32', found 'bf16'}}
  %t = tile.load %v[%i, %i] along [1] other(%o : bf16) : !tile.view<?x?xf32> -> tensor<8xf32>
  return
}

// -----

func.func @f(%v: !tile.view<?x?xf32>, %i: index) {
  // expected-error @below {{a tile has a static shape, found 'tensor<?xf32>'}}
  %t = tile.load %v[%i, %i] along [1] : !tile.view<?x?xf32> -> tensor<?xf32>
  return
}

// -----

func.func @f(%v: !tile.view<?x?xf32>, %i: index) {
  // expected-error @below {{a tile's sizes are powers of two, found 12 in 'tensor<12xf32>'}}
  %t = tile.load %v[%i, %i] along [1] : !tile.view<?x?xf32> -> tensor<12xf32>
  return
}

// -----

func.func @f(%v: !tile.view<?x?xf32>, %i: index) {
  // expected-error @below {{a tile's sizes are powers of two, found 0 in 'tensor<0xf32>'}}
  %t = tile.load %v[%i, %i] along [1] : !tile.view<?x?xf32> -> tensor<0xf32>
  return
}

// -----

func.func @f(%v: !tile.view<?x?xf32>, %i: index) {
  // expected-error @below {{a tile has at most 2^20 elements, found 'tensor<2048x1024xf32>'}}
  %t = tile.load %v[%i, %i] along [0, 1] : !tile.view<?x?xf32> -> tensor<2048x1024xf32>
  return
}

// -----

func.func @f(%v: !tile.view<?x?xf32>, %i: index, %t: tensor<8xf32>) {
  // expected-error @below {{expected 2 indices, one per axis of the view, found 3}}
  tile.store %t, %v[%i, %i, %i] along [0] : tensor<8xf32>, !tile.view<?x?xf32>
  return
}

// -----

func.func @f(%v: !tile.view<?x?xf32>, %i: index, %t: tensor<8xf32>) {
  // expected-error @below {{expected a tile of rank 2, one axis per entry of 'along', found 'tensor<8xf32>'}}
  tile.store %t, %v[%i, %i] along [0, 1] : tensor<8xf32>, !tile.view<?x?xf32>
  return
}

// -----

func.func @f(%v: !tile.view<?x?xf32>, %i: index, %t: tensor<8xi32>) {
  // expected-error @below {{expected elements of the view's type 'f32', found 'i32'}}
  tile.store %t, %v[%i, %i] along [0] : tensor<8xi32>, !tile.view<?x?xf32>
  return
}

// -----

func.func @f(%v: !tile.view<?x?xf32>, %i: index, %t: tensor<3xf32>) {
  // expected-error @below {{a tile's sizes are powers of two, found 3 in 'tensor<3xf32>'}}
  tile.store %t, %v[%i, %i] along [0] : tensor<3xf32>, !tile.view<?x?xf32>
  return
}

// -----

// The number of elements is checked without overflow.
func.func @overflow(%v: !tile.view<?x?xf32>, %i: index) {
  // expected-error @below {{a tile has at most 2^20 elements, found 'tensor<4294967296x4294967296xf32>'}}
  %t = tile.load %v[%i, %i] along [0, 1] : !tile.view<?x?xf32> -> tensor<4294967296x4294967296xf32>
  return
}
