// What a kernel's attributes must say.
// RUN: treadle-opt %s -split-input-file -verify-diagnostics

// expected-error @below {{a kernel needs tile.grid, the number of blocks along each axis}}
func.func @k(%x: !tile.view<?xf32> {tile.name = "x", tile.dims = ["N"]}) attributes {tile.kernel} {
  return
}

// -----

// expected-error @below {{tile.num_warps must be 1, 2, 4, 8, 16 or 32, found 3 : i32}}
func.func @k(%x: !tile.view<?xf32> {tile.name = "x", tile.dims = ["N"]}) attributes {tile.kernel, tile.num_warps = 3 : i32, tile.grid = affine_map<()[N] -> (N)>, tile.grid_dims = ["N"]} {
  return
}

// -----

// expected-error @below {{tile.num_warps must be 1, 2, 4, 8, 16 or 32, found 64 : i32}}
func.func @k(%x: !tile.view<?xf32> {tile.name = "x", tile.dims = ["N"]}) attributes {tile.kernel, tile.num_warps = 64 : i32, tile.grid = affine_map<()[N] -> (N)>, tile.grid_dims = ["N"]} {
  return
}

// -----

// expected-error @below {{tile.num_warps must be 1, 2, 4, 8, 16 or 32, found "four"}}
func.func @k(%x: !tile.view<?xf32> {tile.name = "x", tile.dims = ["N"]}) attributes {tile.kernel, tile.num_warps = "four", tile.grid = affine_map<()[N] -> (N)>, tile.grid_dims = ["N"]} {
  return
}

// -----

// expected-error @below {{tile.num_stages must be from 1 to 16, found 0 : i32}}
func.func @k(%x: !tile.view<?xf32> {tile.name = "x", tile.dims = ["N"]}) attributes {tile.kernel, tile.num_stages = 0 : i32, tile.grid = affine_map<()[N] -> (N)>, tile.grid_dims = ["N"]} {
  return
}

// -----

// expected-error @below {{tile.grid must be an affine map of symbols with 1 to 3 results}}
func.func @k(%x: !tile.view<?xf32> {tile.name = "x", tile.dims = ["N"]}) attributes {tile.kernel, tile.grid = affine_map<(d0) -> (d0)>, tile.grid_dims = ["N"]} {
  return
}

// -----

// expected-error @below {{tile.grid must be an affine map of symbols with 1 to 3 results}}
func.func @k(%x: !tile.view<?xf32> {tile.name = "x", tile.dims = ["N"]}) attributes {tile.kernel, tile.grid = affine_map<()[N] -> (N, N, N, N)>, tile.grid_dims = ["N"]} {
  return
}

// -----

// expected-error @below {{tile.grid must be an affine map of symbols with 1 to 3 results, found 4 : i32}}
func.func @k(%x: !tile.view<?xf32> {tile.name = "x", tile.dims = ["N"]}) attributes {tile.kernel, tile.grid = 4 : i32} {
  return
}

// -----

// expected-error @below {{tile.grid has 1 symbols, but tile.grid_dims names 0}}
func.func @k(%x: !tile.view<?xf32> {tile.name = "x", tile.dims = ["N"]}) attributes {tile.kernel, tile.grid = affine_map<()[N] -> (N)>} {
  return
}

// -----

// expected-error @below {{tile.grid_dims names "M", which is no axis of any view argument}}
func.func @k(%x: !tile.view<?xf32> {tile.name = "x", tile.dims = ["N"]}) attributes {tile.kernel, tile.grid = affine_map<()[N] -> (N)>, tile.grid_dims = ["M"]} {
  return
}

// -----

// expected-error @below {{argument 0 of a kernel needs tile.name}}
func.func @k(%x: !tile.view<?xf32> {tile.dims = ["N"]}) attributes {tile.kernel, tile.grid = affine_map<()[N] -> (N)>, tile.grid_dims = ["N"]} {
  return
}

// -----

// expected-error @below {{argument 0 needs tile.dims with 2 entries}}
func.func @k(%x: !tile.view<?x8xf32> {tile.name = "x", tile.dims = ["N"]}) attributes {tile.kernel, tile.grid = affine_map<()[N] -> (N)>, tile.grid_dims = ["N"]} {
  return
}

// -----

// expected-error @below {{argument 0: tile.dims entry 4 : i64 does not fit the type '!tile.view<?x8xf32>'}}
func.func @k(%x: !tile.view<?x8xf32> {tile.name = "x", tile.dims = ["N", 4]}) attributes {tile.kernel, tile.grid = affine_map<()[N] -> (N)>, tile.grid_dims = ["N"]} {
  return
}

// -----

// expected-error @below {{argument 0: tile.dims entry "D" does not fit the type}}
func.func @k(%x: !tile.view<?x8xf32> {tile.name = "x", tile.dims = ["N", "D"]}) attributes {tile.kernel, tile.grid = affine_map<()[N] -> (N)>, tile.grid_dims = ["N"]} {
  return
}

// -----

// expected-error @below {{argument 1 of a kernel must be a view, f32, i32, i64 or index, found 'f64'}}
func.func @k(%x: !tile.view<?xf32> {tile.name = "x", tile.dims = ["N"]}, %a: f64 {tile.name = "a"}) attributes {tile.kernel, tile.grid = affine_map<()[N] -> (N)>, tile.grid_dims = ["N"]} {
  return
}

// -----

// expected-error @below {{a kernel returns nothing, found 1 results}}
func.func @k(%x: !tile.view<?xf32> {tile.name = "x", tile.dims = ["N"]}) -> index attributes {tile.kernel, tile.grid = affine_map<()[N] -> (N)>, tile.grid_dims = ["N"]} {
  %c = arith.constant 0 : index
  return %c : index
}

// -----

func.func @f() {
  // expected-error @below {{'tile.num_warps' belongs on a function}}
  %c = arith.constant {tile.num_warps = 4 : i32} 0 : index
  return
}

// -----

// expected-error @below {{tile.grid_dims names "n", which is no axis of any view argument}}
func.func @k(%n: i32 {tile.name = "n", tile.dims = ["n"]}) attributes {tile.kernel, tile.grid = affine_map<()[n] -> (n)>, tile.grid_dims = ["n"]} {
  return
}

// -----

// The attributes of an op are verified before the op.
// expected-error @below {{'func.func' op requires attribute 'function_type'}}
"func.func"() <{sym_name = "k"}> ({}) {tile.kernel, tile.grid = affine_map<() -> (1)>} : () -> ()

// -----

// expected-error @below {{'func.func' op expects argument attribute array to have the same number of elements as the number of function arguments, got 1, but expected 2}}
"func.func"() <{sym_name = "k", function_type = (i32, i32) -> (), arg_attrs = [{tile.name = "a"}]}> ({
^bb0(%a: i32, %b: i32):
  "func.return"() : () -> ()
}) {tile.kernel, tile.grid = affine_map<() -> (1)>} : () -> ()
