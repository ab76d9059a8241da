// RUN: treadle-opt %s | FileCheck %s
// RUN: treadle-opt %s | treadle-opt | FileCheck %s
// RUN: treadle-opt %s --mlir-print-op-generic | treadle-opt | FileCheck %s
// RUN: treadle-opt %s --mlir-print-op-generic | FileCheck %s --check-prefix=GENERIC

// A program id names one axis of the grid.
// CHECK-LABEL: func @program_id
// GENERIC-LABEL: sym_name = "program_id"
func.func @program_id() -> (index, index, index) {
  // CHECK: tile.program_id 0
  // CHECK: tile.program_id 1
  // CHECK: tile.program_id 2
  // GENERIC: "tile.program_id"() <{axis = 2 : i32}> : () -> index
  %x = tile.program_id 0
  %y = tile.program_id 1
  %z = tile.program_id 2
  return %x, %y, %z : index, index, index
}

// The size of an axis keeps its view's type.
// CHECK-LABEL: func @dim
func.func @dim(%view: !tile.view<?x64xbf16, align = 16>) -> index {
  // CHECK: tile.dim %{{.*}}, 1 : !tile.view<?x64xbf16, align = 16>
  // GENERIC: "tile.dim"(%{{.*}}) <{axis = 1 : i32}> : (!tile.view<?x64xbf16, align = 16>) -> index
  %n = tile.dim %view, 1 : !tile.view<?x64xbf16, align = 16>
  return %n : index
}

// A view prints strides and alignment only where they are not the default, and every element type is allowed.
// CHECK-LABEL: func private @views
// CHECK-SAME: !tile.view<?x?xf32>
// CHECK-SAME: !tile.view<4x8xf16>
// CHECK-SAME: !tile.view<?x?xbf16, strides = [1, ?]>
// CHECK-SAME: !tile.view<?x?xi64, strides = [?, ?], align = 32>
// CHECK-SAME: !tile.view<?xi32, strides = [2]>
// CHECK-SAME: !tile.view<0xi16>
// CHECK-SAME: !tile.view<i8>
func.func private @views(!tile.view<?x?xf32, strides = [?, 1], align = 4>, !tile.view<4x8xf16>,
                         !tile.view<?x?xbf16, strides = [1, ?]>, !tile.view<?x?xi64, align = 32, strides = [?, ?]>,
                         !tile.view<?xi32, strides = [2]>, !tile.view<0xi16>, !tile.view<i8>)

// A load names the axes it runs along, and may give a value for what is out of bounds.
// CHECK-LABEL: func @load
func.func @load(%view: !tile.view<?x?x8xf32>, %i: index, %pad: f32) -> (tensor<16x8xf32>, tensor<4xf32>) {
  // CHECK: tile.load %{{.*}}[%{{.*}}, %{{.*}}, %{{.*}}] along [0, 2] : !tile.view<?x?x8xf32> -> tensor<16x8xf32>
  // GENERIC: "tile.load"(%{{.*}}) <{along = array<i32: 0, 2>, operandSegmentSizes = array<i32: 1, 3, 0>}>
  %plain = tile.load %view[%i, %i, %i] along [0, 2] : !tile.view<?x?x8xf32> -> tensor<16x8xf32>
  // CHECK: tile.load %{{.*}}[%{{.*}}] along [1] other(%{{.*}} : f32) : !tile.view<?x?x8xf32> -> tensor<4xf32>
  // GENERIC: "tile.load"(%{{.*}}) <{along = array<i32: 1>, operandSegmentSizes = array<i32: 1, 3, 1>}>
  %padded = tile.load %view[%i, %i, %i] along [1] other(%pad : f32) : !tile.view<?x?x8xf32> -> tensor<4xf32>
  return %plain, %padded : tensor<16x8xf32>, tensor<4xf32>
}

// A load or store along no axis moves one scalar.
// CHECK-LABEL: func @scalar_access
func.func @scalar_access(%view: !tile.view<?xi64>, %i: index) {
  // CHECK: %[[element:.*]] = tile.load %{{.*}}[%{{.*}}] along [] : !tile.view<?xi64> -> i64
  // CHECK: tile.store %[[element]], %{{.*}}[%{{.*}}] along [] : i64, !tile.view<?xi64>
  %element = tile.load %view[%i] along [] : !tile.view<?xi64> -> i64
  tile.store %element, %view[%i] along [] : i64, !tile.view<?xi64>
  return
}

// A store writes a tile at its indices.
// CHECK-LABEL: func @store
func.func @store(%view: !tile.view<?x?xbf16>, %tile: tensor<2x2xbf16>, %i: index) {
  // CHECK: tile.store %{{.*}}, %{{.*}}[%{{.*}}, %{{.*}}] along [0, 1] : tensor<2x2xbf16>, !tile.view<?x?xbf16>
  // GENERIC: "tile.store"(%{{.*}}) <{along = array<i32: 0, 1>}>
  tile.store %tile, %view[%i, %i] along [0, 1] : tensor<2x2xbf16>, !tile.view<?x?xbf16>
  return
}

// Tiles are made of indices and scalars.
// CHECK-LABEL: func @make
func.func @make(%value: f16) -> (tensor<64xi32>, tensor<4x4xf16>) {
  // CHECK: tile.iota : tensor<64xi32>
  // CHECK: tile.splat %{{.*}} : f16 -> tensor<4x4xf16>
  %iota = tile.iota : tensor<64xi32>
  %splat = tile.splat %value : f16 -> tensor<4x4xf16>
  return %iota, %splat : tensor<64xi32>, tensor<4x4xf16>
}

// Shape ops keep the elements and change who is next to whom.
// CHECK-LABEL: func @shapes
func.func @shapes(%row: tensor<64xf32>) -> tensor<4x2x64xf32> {
  // CHECK: %[[column:.*]] = tile.expand_dims %{{.*}}, 1 : tensor<64xf32> -> tensor<64x1xf32>
  // CHECK: %[[wide:.*]] = tile.broadcast %[[column]] : tensor<64x1xf32> -> tensor<64x8xf32>
  // CHECK: %[[turned:.*]] = tile.transpose %[[wide]], [1, 0] : tensor<64x8xf32> -> tensor<8x64xf32>
  // CHECK: tile.reshape %[[turned]] : tensor<8x64xf32> -> tensor<4x2x64xf32>
  // CHECK: tile.extract %{{.*}}, [3, 1, 32] : tensor<4x2x64xf32> -> tensor<1x1x32xf32>
  // GENERIC: "tile.transpose"(%{{.*}}) <{perm = array<i32: 1, 0>}>
  // GENERIC: "tile.extract"(%{{.*}}) <{offsets = array<i32: 3, 1, 32>}>
  %column = tile.expand_dims %row, 1 : tensor<64xf32> -> tensor<64x1xf32>
  %wide = tile.broadcast %column : tensor<64x1xf32> -> tensor<64x8xf32>
  %turned = tile.transpose %wide, [1, 0] : tensor<64x8xf32> -> tensor<8x64xf32>
  %split = tile.reshape %turned : tensor<8x64xf32> -> tensor<4x2x64xf32>
  %block = tile.extract %split, [3, 1, 32] : tensor<4x2x64xf32> -> tensor<1x1x32xf32>
  return %split : tensor<4x2x64xf32>
}

// A product prints its precision unless it is the default.
// CHECK-LABEL: func @dot
func.func @dot(%a: tensor<16x8xf32>, %b: tensor<8x32xf32>, %c: tensor<16x32xf32>) -> tensor<16x32xf32> {
  // CHECK: tile.dot %{{.*}}, %{{.*}}, %{{.*}} : tensor<16x8xf32>, tensor<8x32xf32> -> tensor<16x32xf32>
  // CHECK: tile.dot %{{.*}}, %{{.*}}, %{{.*}} precision tf32 : tensor<16x8xf32>, tensor<8x32xf32> -> tensor<16x32xf32>
  // CHECK: tile.dot %{{.*}}, %{{.*}}, %{{.*}} precision tf32x3 : tensor<16x8xf32>, tensor<8x32xf32> -> tensor<16x32xf32>
  // GENERIC: "tile.dot"(%{{.*}}) <{precision = #tile<precision tf32x3>}>
  %d = tile.dot %a, %b, %c precision ieee : tensor<16x8xf32>, tensor<8x32xf32> -> tensor<16x32xf32>
  %e = tile.dot %a, %b, %d precision tf32 : tensor<16x8xf32>, tensor<8x32xf32> -> tensor<16x32xf32>
  %f = tile.dot %a, %b, %e precision tf32x3 : tensor<16x8xf32>, tensor<8x32xf32> -> tensor<16x32xf32>
  return %f : tensor<16x32xf32>
}

// A reduction takes several tensors of one shape together.
// CHECK-LABEL: func @reduce
func.func @reduce(%x: tensor<64x32xf32>, %i: tensor<64x32xi32>) -> (tensor<64xf32>, tensor<64xi32>) {
  // CHECK: tile.reduce (%{{.*}}, %{{.*}}) along 1 {
  // CHECK-NEXT: ^bb0(%[[a:.*]]: f32, %[[ai:.*]]: i32, %[[b:.*]]: f32, %[[bi:.*]]: i32):
  // CHECK: tile.yield %{{.*}}, %{{.*}} : f32, i32
  // CHECK-NEXT: } : (tensor<64x32xf32>, tensor<64x32xi32>) -> (tensor<64xf32>, tensor<64xi32>)
  // GENERIC: "tile.reduce"(%{{.*}}) <{axis = 1 : i32}> ({
  %m, %j = tile.reduce (%x, %i) along 1 {
  ^bb0(%a: f32, %ai: i32, %b: f32, %bi: i32):
    %more = arith.cmpf ogt, %a, %b : f32
    %v = arith.select %more, %a, %b : f32
    %vi = arith.select %more, %ai, %bi : i32
    tile.yield %v, %vi : f32, i32
  } : (tensor<64x32xf32>, tensor<64x32xi32>) -> (tensor<64xf32>, tensor<64xi32>)
  return %m, %j : tensor<64xf32>, tensor<64xi32>
}

// Reducing a tile of rank 1 gives a scalar.
// CHECK-LABEL: func @reduce_to_scalar
func.func @reduce_to_scalar(%x: tensor<64xf32>) -> f32 {
  // CHECK: } : (tensor<64xf32>) -> f32
  %sum = tile.reduce (%x) along 0 {
  ^bb0(%a: f32, %b: f32):
    %s = arith.addf %a, %b : f32
    tile.yield %s : f32
  } : (tensor<64xf32>) -> f32
  return %sum : f32
}

// A scan keeps its operand's shape and may run from the far end.
// CHECK-LABEL: func @scan
func.func @scan(%x: tensor<8x64xi32>) -> (tensor<8x64xi32>, tensor<8x64xi32>) {
  // CHECK: tile.scan (%{{.*}}) along 0 {
  // CHECK: } : (tensor<8x64xi32>) -> tensor<8x64xi32>
  %down = tile.scan (%x) along 0 {
  ^bb0(%before: i32, %next: i32):
    %s = arith.addi %before, %next : i32
    tile.yield %s : i32
  } : (tensor<8x64xi32>) -> (tensor<8x64xi32>)
  // CHECK: tile.scan (%{{.*}}) along 1 reverse {
  // GENERIC: "tile.scan"(%{{.*}}) <{axis = 1 : i32, reverse}> ({
  %back = tile.scan (%x) along 1 reverse {
  ^bb0(%before: i32, %next: i32):
    %s = arith.addi %before, %next : i32
    tile.yield %s : i32
  } : (tensor<8x64xi32>) -> (tensor<8x64xi32>)
  return %down, %back : tensor<8x64xi32>, tensor<8x64xi32>
}

// Attributes that no op knows survive the round trip.
// CHECK-LABEL: func @extra_attributes
func.func @extra_attributes(%x: tensor<8xi32>) -> tensor<8xi32> {
  // CHECK: tile.scan
  // CHECK: } {note = "kept"} : (tensor<8xi32>) -> tensor<8xi32>
  %y = tile.scan (%x) along 0 {
  ^bb0(%before: i32, %next: i32):
    tile.yield %next : i32
  } {note = "kept"} : (tensor<8xi32>) -> (tensor<8xi32>)
  return %y : tensor<8xi32>
}

// A kernel's attributes and its arguments' survive the round trip.
// CHECK-LABEL: func @kernel
// CHECK-SAME: !tile.view<?x?x4xf32> {tile.dims = ["B", "T", 4], tile.name = "x"}
// CHECK-SAME: f32 {tile.name = "a"}
// CHECK-SAME: attributes {tile.fast_math, tile.grid = #[[grid:map.*]], tile.grid_dims = ["T", "B"], tile.kernel, tile.num_stages = 3 : i32, tile.num_warps = 8 : i32}
func.func @kernel(%x: !tile.view<?x?x4xf32> {tile.name = "x", tile.dims = ["B", "T", 4]}, %a: f32 {tile.name = "a"},
                  %i: i32 {tile.name = "i"}, %l: i64 {tile.name = "l"}, %n: index {tile.name = "n"})
    attributes {tile.kernel, tile.fast_math, tile.num_warps = 8 : i32, tile.num_stages = 3 : i32,
                tile.grid = affine_map<()[t, b] -> (t ceildiv 4, b * t, 2)>, tile.grid_dims = ["T", "B"]} {
  return
}
