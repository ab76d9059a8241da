// RUN: treadle-opt %s -split-input-file -tile-lower-to-cpu -verify-diagnostics

func.func @scheduled() attributes {tile.kernel, tile.grid = affine_map<() -> (1)>} {
  // expected-error @below {{'tile.barrier' is not supported by the CPU target: it belongs to the scheduled stage}}
  tile.barrier
  return
}

// -----

func.func @indices(%x: !tile.view<16xi64> {tile.name = "x", tile.dims = [16]}) attributes {tile.kernel, tile.grid = affine_map<() -> (1)>} {
  %c0 = arith.constant 0 : index
  %t = tile.load %x[%c0] along [0] : !tile.view<16xi64> -> tensor<16xi64>
  // expected-error @below {{'arith.index_cast' is not supported by the CPU target: no tiles of type 'tensor<16xindex>'}}
  %i = arith.index_cast %t : tensor<16xi64> to tensor<16xindex>
  return
}

// -----

func.func @table() attributes {tile.kernel, tile.grid = affine_map<() -> (1)>} {
  // expected-error @below {{'arith.constant' is not supported by the CPU target}}
  %t = arith.constant dense<[1, 2, 3, 4]> : tensor<4xi32>
  return
}
