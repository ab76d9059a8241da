// What the verifier of products refuses.
// RUN: treadle-opt %s -split-input-file -verify-diagnostics

func.func @f(%a: tensor<16xf32>, %b: tensor<16x16xf32>, %c: tensor<16x16xf32>) {
  // expected-error @below {{expected operands of rank 2, found ranks 1, 2 and 2}}
  %d = tile.dot %a, %b, %c : tensor<16xf32>, tensor<16x16xf32> -> tensor<16x16xf32>
  return
}

// -----

func.func @f(%a: tensor<16x32xf32>, %b: tensor<16x16xf32>, %c: tensor<16x16xf32>) {
  // expected-error @below {{shapes do not agree: a is [16, 32], b is [16, 16], the accumulator is [16, 16]}}
  %d = tile.dot %a, %b, %c : tensor<16x32xf32>, tensor<16x16xf32> -> tensor<16x16xf32>
  return
}

// -----

func.func @f(%a: tensor<16x16xf32>, %b: tensor<16x16xbf16>, %c: tensor<16x16xf32>) {
  // expected-error @below {{expected operands of one type, found 'f32' and 'bf16'}}
  %d = tile.dot %a, %b, %c : tensor<16x16xf32>, tensor<16x16xbf16> -> tensor<16x16xf32>
  return
}

// -----

func.func @f(%a: tensor<16x16xi8>, %b: tensor<16x16xi8>, %c: tensor<16x16xf32>) {
  // expected-error @below {{expected bf16, f16 or f32 operands, found 'i8'}}
  %d = tile.dot %a, %b, %c : tensor<16x16xi8>, tensor<16x16xi8> -> tensor<16x16xf32>
  return
}

// -----

func.func @f(%a: tensor<16x16xbf16>, %b: tensor<16x16xbf16>, %c: tensor<16x16xbf16>) {
  // expected-error @below {{expected an f32 accumulator, found 'bf16'}}
  %d = tile.dot %a, %b, %c : tensor<16x16xbf16>, tensor<16x16xbf16> -> tensor<16x16xbf16>
  return
}

// -----

func.func @f(%a: tensor<16x16xbf16>, %b: tensor<16x16xbf16>, %c: tensor<16x16xf32>) {
  // expected-error @below {{precision applies to f32 operands, found 'bf16'}}
  %d = tile.dot %a, %b, %c precision tf32 : tensor<16x16xbf16>, tensor<16x16xbf16> -> tensor<16x16xf32>
  return
}

// -----

func.func @f(%a: tensor<16x24xf32>, %b: tensor<24x16xf32>, %c: tensor<16x16xf32>) {
  // expected-error @below {{a tile's sizes are powers of two, found 24 in 'tensor<16x24xf32>'}}
  %d = tile.dot %a, %b, %c : tensor<16x24xf32>, tensor<24x16xf32> -> tensor<16x16xf32>
  return
}
