// What is no field, and where attributes of mixers may not be.
// RUN: treadle-opt %s -split-input-file -verify-diagnostics

// expected-error @below {{a field's indices are a choice, in this order, of B, T and H or G, found 'TB'}}
func.func private @f(!treadle.field<TB, 8xf32>)

// -----

// expected-error @below {{a field's indices are a choice, in this order, of B, T and H or G, found 'BTHG'}}
func.func private @f(!treadle.field<BTHG, f32>)

// -----

// expected-error @below {{expected ','}}
func.func private @f(!treadle.field<f64>)

// -----

// expected-error @below {{a field's element must be f32, f16, bf16 or i32, found 'i64'}}
func.func private @f(!treadle.field<BT, 8xi64>)

// -----

// expected-error @below {{a field's value has at most 5 axes, found 6}}
func.func private @f(!treadle.field<BT, 1x1x1x1x1x1xf32>)

// -----

// expected-error @below {{a field's sizes are positive, found 0}}
func.func private @f(!treadle.field<BT, 4x0xf32>)

// -----

// expected-error @below {{a field's value has at most 2^20 elements, found [1025, 1024]}}
func.func private @f(!treadle.field<BT, 1025x1024xf32>)

// -----

// expected-error @below {{'treadle.mixer' belongs on a function}}
module attributes {treadle.mixer} {}

// -----

// expected-error @below {{treadle.mixer has no value, found 3}}
func.func private @f() attributes {treadle.mixer = 3}

// -----

// expected-error @below {{'treadle.packed' belongs on a function with treadle.mixer}}
func.func private @f() attributes {treadle.packed}

// -----

// expected-error @below {{'treadle.indexed' belongs on a function with treadle.mixer}}
func.func private @f() attributes {treadle.indexed}

// -----

// expected-error @below {{a function is a mixer or a kernel, found treadle.mixer and tile.kernel}}
func.func @f() attributes {treadle.mixer, tile.kernel, tile.grid = affine_map<() -> (1)>} {
  return
}
