// What the verifiers of shape ops refuse.
// RUN: treadle-opt %s -split-input-file -verify-diagnostics

func.func @f() {
  // expected-error @below {{expected a rank-1 result, found 'tensor<8x8xi32>'}}
  %t = tile.iota : tensor<8x8xi32>
  return
}

// -----

func.func @f() {
  // expected-error @below {{a tile's sizes are powers of two, found 6 in 'tensor<6xi32>'}}
  %t = tile.iota : tensor<6xi32>
  return
}

// -----

func.func @f(%a: f32) {
  // expected-error @below {{expected a scalar of type 'bf16', found 'f32'}}
  %t = tile.splat %a : f32 -> tensor<8xbf16>
  return
}

// -----

func.func @f(%a: f32) {
  // expected-error @below {{a tile's sizes are powers of two, found 9 in 'tensor<9xf32>'}}
  %t = tile.splat %a : f32 -> tensor<9xf32>
  return
}

// -----

func.func @f(%a: tensor<8xf32>) {
  // expected-error @below {{axis 2 is out of range for 'tensor<8xf32>'}}
  %t = tile.expand_dims %a, 2 : tensor<8xf32> -> tensor<8x1xf32>
  return
}

// -----

func.func @f(%a: tensor<8xf32>) {
  // expected-error @below {{expected result shape [8, 1], found 'tensor<1x8xf32>'}}
  %t = tile.expand_dims %a, 1 : tensor<8xf32> -> tensor<1x8xf32>
  return
}

// -----

func.func @f(%a: tensor<8xf32>) {
  // expected-error @below {{changes the element type from 'f32' to 'f16'}}
  %t = tile.expand_dims %a, 1 : tensor<8xf32> -> tensor<8x1xf16>
  return
}

// -----

func.func @f(%a: tensor<8xf32>) {
  // expected-error @below {{expected equal ranks, found 'tensor<8xf32>' and 'tensor<8x8xf32>'}}
  %t = tile.broadcast %a : tensor<8xf32> -> tensor<8x8xf32>
  return
}

// -----

func.func @f(%a: tensor<2x8xf32>) {
  // expected-error @below {{only axes of size 1 broadcast, found 'tensor<2x8xf32>' to 'tensor<4x8xf32>'}}
  %t = tile.broadcast %a : tensor<2x8xf32> -> tensor<4x8xf32>
  return
}

// -----

func.func @f(%a: tensor<1x8xf32>) {
  // expected-error @below {{changes the element type from 'f32' to 'i32'}}
  %t = tile.broadcast %a : tensor<1x8xf32> -> tensor<4x8xi32>
  return
}

// -----

func.func @f(%a: tensor<4x8xf32>) {
  // expected-error @below {{permutation [0, 0] does not take 'tensor<4x8xf32>' to 'tensor<4x4xf32>'}}
  %t = tile.transpose %a, [0, 0] : tensor<4x8xf32> -> tensor<4x4xf32>
  return
}

// -----

func.func @f(%a: tensor<4x8xf32>) {
  // expected-error @below {{permutation [1, 0] does not take 'tensor<4x8xf32>' to 'tensor<4x8xf32>'}}
  %t = tile.transpose %a, [1, 0] : tensor<4x8xf32> -> tensor<4x8xf32>
  return
}

// -----

func.func @f(%a: tensor<4x8xf32>) {
  // expected-error @below {{permutation [1] does not take 'tensor<4x8xf32>' to 'tensor<8x4xf32>'}}
  %t = tile.transpose %a, [1] : tensor<4x8xf32> -> tensor<8x4xf32>
  return
}

// -----

func.func @f(%a: tensor<4x8xf32>) {
  // expected-error @below {{permutation [-1, 0] does not take}}
  %t = tile.transpose %a, [-1, 0] : tensor<4x8xf32> -> tensor<8x4xf32>
  return
}

// -----

func.func @f(%a: tensor<4x8xf32>) {
  // expected-error @below {{changes the element type from 'f32' to 'bf16'}}
  %t = tile.transpose %a, [1, 0] : tensor<4x8xf32> -> tensor<8x4xbf16>
  return
}

// -----

func.func @f(%a: tensor<4x8xf32>) {
  // expected-error @below {{changes the number of elements from 32 to 64}}
  %t = tile.reshape %a : tensor<4x8xf32> -> tensor<64xf32>
  return
}

// -----

func.func @f(%a: tensor<4x8xf32>) {
  // expected-error @below {{changes the element type from 'f32' to 'i32'}}
  %t = tile.reshape %a : tensor<4x8xf32> -> tensor<32xi32>
  return
}

// -----

func.func @f(%a: tensor<6x4xf32>) {
  // expected-error @below {{a tile's sizes are powers of two, found 6 in 'tensor<6x4xf32>'}}
  %t = tile.reshape %a : tensor<6x4xf32> -> tensor<24xf32>
  return
}

// -----

func.func @f(%a: tensor<4x8xf32>) {
  // expected-error @below {{changes the element type from 'f32' to 'bf16'}}
  %t = tile.extract %a, [0, 0] : tensor<4x8xf32> -> tensor<2x8xbf16>
  return
}

// -----

func.func @f(%a: tensor<4x8xf32>) {
  // expected-error @below {{expected one offset and one size for each of the 2 axes, found 1 offsets and 'tensor<2x8xf32>'}}
  %t = tile.extract %a, [0] : tensor<4x8xf32> -> tensor<2x8xf32>
  return
}

// -----

func.func @f(%a: tensor<4x8xf32>) {
  // expected-error @below {{expected one offset and one size for each of the 2 axes, found 2 offsets and 'tensor<8xf32>'}}
  %t = tile.extract %a, [0, 0] : tensor<4x8xf32> -> tensor<8xf32>
  return
}

// -----

func.func @f(%a: tensor<4x8xf32>) {
  // expected-error @below {{the block from 4 to 6 is not inside axis 0 of 'tensor<4x8xf32>'}}
  %t = tile.extract %a, [4, 0] : tensor<4x8xf32> -> tensor<2x8xf32>
  return
}

// -----

func.func @f(%a: tensor<4x8xf32>) {
  // expected-error @below {{the block from -4 to 0 is not inside axis 1 of 'tensor<4x8xf32>'}}
  %t = tile.extract %a, [0, -4] : tensor<4x8xf32> -> tensor<4x4xf32>
  return
}

// -----

func.func @f(%a: tensor<4x8xf32>) {
  // expected-error @below {{the block from 0 to 8 is not inside axis 0 of 'tensor<4x8xf32>'}}
  %t = tile.extract %a, [0, 0] : tensor<4x8xf32> -> tensor<8x8xf32>
  return
}

// -----

func.func @f(%a: tensor<4x8xf32>) {
  // expected-error @below {{offset 2 on axis 1 is no multiple of the block's size 4}}
  %t = tile.extract %a, [0, 2] : tensor<4x8xf32> -> tensor<4x4xf32>
  return
}

// -----

func.func @f(%a: tensor<4x8xf32>) {
  // expected-error @below {{a tile's sizes are powers of two, found 3 in 'tensor<3x8xf32>'}}
  %t = tile.extract %a, [0, 0] : tensor<4x8xf32> -> tensor<3x8xf32>
  return
}
