// What is no view and no layout.
// RUN: treadle-opt %s -split-input-file -verify-diagnostics

// expected-error @below {{a view's element must be f32, f16, bf16, i64, i32, i16 or i8, found 'f64'}}
func.func private @f(!tile.view<?xf64>)

// -----

// expected-error @below {{a view's element must be an integer or a float, found 'index'}}
func.func private @f(!tile.view<?xindex>)

// -----

// expected-error @below {{a view's element must be f32, f16, bf16, i64, i32, i16 or i8, found 'i1'}}
func.func private @f(!tile.view<?xi1>)

// -----

// expected-error @below {{a view has at most 8 axes, found 9}}
func.func private @f(!tile.view<?x?x?x?x?x?x?x?x?xf32>)

// -----

// expected-error @below {{expected 2 strides, found 1}}
func.func private @f(!tile.view<?x?xf32, strides = [1]>)

// -----

// expected-error @below {{align must be a power of two from 4 (one element) to 4096, found 3}}
func.func private @f(!tile.view<?xf32, align = 3>)

// -----

// expected-error @below {{align must be a power of two from 4 (one element) to 4096, found 2}}
func.func private @f(!tile.view<?xf32, align = 2>)

// -----

// expected-error @below {{align must be a power of two from 4 (one element) to 4096, found 8192}}
func.func private @f(!tile.view<?xf32, align = 8192>)

// -----

// expected-error @below {{expected 'strides', 'align' or 'max_bytes', found 'alignment'}}
func.func private @f(!tile.view<?xf32, alignment = 4>)

// -----

// expected-error @below {{expected 'reg', 'lane', 'warp' or 'offset', found 'thread'}}
func.func private @f(tensor<8xf32, #tile.layout<thread = [1]>>)

// -----

// expected-error @below {{a basis is a row-major index and cannot be negative}}
func.func private @f(tensor<8xf32, #tile.layout<reg = [-1]>>)

// -----

// expected-error @below {{more than 31 bases}}
func.func private @f(tensor<8xf32, #tile.layout<reg = [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]>>)

// -----

// The promise of a span is a number of bytes.
// expected-error @below {{max_bytes must be positive, found 0}}
func.func private @f(!tile.view<?xf32, max_bytes = 0>)
