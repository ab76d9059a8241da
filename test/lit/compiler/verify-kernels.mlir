// What a tile program cannot contain is an error at the op, before any other pass.
// RUN: treadle-opt %s --treadle-verify-kernels --split-input-file --verify-diagnostics

// expected-error @below {{a kernel needs a body, found a declaration}}
func.func private @declaration() attributes {tile.kernel, tile.grid = affine_map<() -> (1)>}

// -----

// expected-error @below {{a kernel has one block, found 2; use scf.if, scf.for and scf.while}}
func.func @two_blocks() attributes {tile.kernel, tile.grid = affine_map<() -> (1)>} {
  cf.br ^next
^next:
  return
}

// -----

// expected-error @below {{a function that a kernel calls has one block, found 2}}
func.func private @helper() {
  cf.br ^next
^next:
  return
}
func.func @k() attributes {tile.kernel, tile.grid = affine_map<() -> (1)>} {
  call @helper() : () -> ()
  return
}

// -----

// expected-error @below {{a function that a kernel calls needs a body, found a declaration}}
func.func private @helper()
func.func @k() attributes {tile.kernel, tile.grid = affine_map<() -> (1)>} {
  call @helper() : () -> ()
  return
}

// -----

func.func private @f() {
  // expected-error @below {{a function cannot call itself, found a call of 'f'}}
  call @f() : () -> ()
  return
}
func.func @k() attributes {tile.kernel, tile.grid = affine_map<() -> (1)>} {
  call @f() : () -> ()
  return
}

// -----

func.func @k() attributes {tile.kernel, tile.grid = affine_map<() -> (1)>} {
  // expected-error @below {{a kernel cannot be called, found a call of 'k'}}
  call @k() : () -> ()
  return
}

// -----

func.func @k() attributes {tile.kernel, tile.grid = affine_map<() -> (1)>} {
  %c0 = arith.constant 0 : index
  // expected-error @below {{'builtin.unrealized_conversion_cast' is not part of a tile program; expected tile, arith, math, scf.for, scf.if, scf.while and func.call}}
  %v = builtin.unrealized_conversion_cast %c0 : index to tensor<4x64xf32>
  return
}

// -----

func.func @k() attributes {tile.kernel, tile.grid = affine_map<() -> (1)>} {
  // expected-error @below {{'scf.execute_region' is not part of a tile program}}
  scf.execute_region {
    scf.yield
  }
  return
}

// -----

// expected-error @below {{'llvm.func' is not part of a tile program}}
llvm.func @f()

// -----

func.func @view_in_scf(%x: !tile.view<?xf32> {tile.name = "x", tile.dims = ["M"]})
    attributes {tile.kernel, tile.grid = affine_map<() -> (1)>} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  // expected-error @below {{a view is an argument of the kernel, used by tile ops as it is; 'scf.for' cannot carry or select one, found '!tile.view<?xf32>'}}
  %v = scf.for %i = %c0 to %c1 step %c1 iter_args(%q = %x) -> (!tile.view<?xf32>) {
    scf.yield %q : !tile.view<?xf32>
  }
  return
}

// -----

func.func @complex() attributes {tile.kernel, tile.grid = affine_map<() -> (1)>} {
  // expected-error @below {{a tile's elements are f32, f16, bf16, i64, i32, i16, i8 or i1, found 'tensor<64xcomplex<f32>>'}}
  %z = arith.constant dense<(1.0,2.0)> : tensor<64xcomplex<f32>>
  return
}

// -----

func.func @f64() attributes {tile.kernel, tile.grid = affine_map<() -> (1)>} {
  // expected-error @below {{a tile's elements are f32, f16, bf16, i64, i32, i16, i8 or i1, found 'tensor<64xf64>'}}
  %z = arith.constant dense<0.0> : tensor<64xf64>
  return
}

// -----

func.func @i128() attributes {tile.kernel, tile.grid = affine_map<() -> (1)>} {
  // expected-error @below {{expected tiles, or scalars of f32, f16, bf16, i64, i32, i16, i8, i1 or index, found 'i128'}}
  %z = arith.constant 0 : i128
  return
}

// -----

func.func @vector() attributes {tile.kernel, tile.grid = affine_map<() -> (1)>} {
  // expected-error @below {{expected tiles, or scalars of f32, f16, bf16, i64, i32, i16, i8, i1 or index, found 'vector<4xf32>'}}
  %z = arith.constant dense<0.0> : vector<4xf32>
  return
}

// -----

func.func @odd_size() attributes {tile.kernel, tile.grid = affine_map<() -> (1)>} {
  // expected-error @below {{a tile's sizes are powers of two, found 3 in 'tensor<3xf32>'}}
  %z = arith.constant dense<0.0> : tensor<3xf32>
  return
}

// -----

func.func @resource() attributes {tile.kernel, tile.grid = affine_map<() -> (1)>} {
  // expected-error @below {{a constant tile is written dense<...>, found sparse<}}
  %z = arith.constant sparse<[[0]], [1.0]> : tensor<4xf32>
  return
}

// -----

func.func @encoding() attributes {tile.kernel, tile.grid = affine_map<() -> (1)>} {
  // expected-error @below {{a tile has no encoding before phase 'scheduled', found 'tensor<4xf32, "hello">'}}
  %z = arith.constant dense<0.0> : tensor<4xf32, "hello">
  return
}

// -----

func.func @scheduled() attributes {tile.kernel, tile.grid = affine_map<() -> (1)>} {
  // expected-error @below {{'tile.barrier' is an op of phase 'scheduled'; expected a program that names no threads}}
  tile.barrier
  return
}

// -----

// What no kernel calls is nobody's concern.
func.func @unused(%x: vector<4xf32>) -> vector<4xf32> {
  cf.br ^next
^next:
  return %x : vector<4xf32>
}

// A helper may take views.
func.func private @rows(%x: !tile.view<?xf32>) -> index {
  %n = tile.dim %x, 0 : !tile.view<?xf32>
  return %n : index
}
func.func @k(%x: !tile.view<?xf32> {tile.name = "x", tile.dims = ["M"]})
    attributes {tile.kernel, tile.grid = affine_map<() -> (1)>} {
  %n = call @rows(%x) : (!tile.view<?xf32>) -> index
  %m = call @rows(%x) : (!tile.view<?xf32>) -> index
  return
}
