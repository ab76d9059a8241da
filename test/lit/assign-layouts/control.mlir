// RUN: treadle-opt %s --tile-assign-layouts --split-input-file | FileCheck %s

// A tensor that a loop carries has one layout: that of the product it comes from. Its initial constant is made in it.
// CHECK-LABEL: func @carried_accumulator
func.func @carried_accumulator(%x: !tile.view<?x?xbf16, align = 16> {tile.name = "x", tile.dims = ["M", "K"]},
                               %y: !tile.view<?x?xf32, align = 16> {tile.name = "y", tile.dims = ["M", "N"]})
    attributes {tile.kernel, tile.grid = affine_map<()[M] -> (M)>, tile.grid_dims = ["M"]} {
  %c0 = arith.constant 0 : index
  %c64 = arith.constant 64 : index
  %k = tile.dim %x, 1 : !tile.view<?x?xbf16, align = 16>
  // CHECK: %[[zero:.*]] = arith.constant dense<0.000000e+00> : tensor<64x64xf32, #[[acc:.*]]>
  // CHECK: %[[sums:.*]] = scf.for {{.*}} iter_args(%[[carried:.*]] = %[[zero]]) -> (tensor<64x64xf32, #[[acc]]>)
  // CHECK: %[[next:.*]] = tile.dot {{.*}}, %[[carried]] : {{.*}} -> tensor<64x64xf32, #[[acc]]>
  // CHECK: scf.yield %[[next]] : tensor<64x64xf32, #[[acc]]>
  // CHECK: tile.store %[[sums]]
  %zero = arith.constant dense<0.0> : tensor<64x64xf32>
  %sums = scf.for %i = %c0 to %k step %c64 iter_args(%acc = %zero) -> (tensor<64x64xf32>) {
    %a = tile.load %x[%c0, %i] along [0, 1] : !tile.view<?x?xbf16, align = 16> -> tensor<64x64xbf16>
    %d = tile.dot %a, %a, %acc : tensor<64x64xbf16>, tensor<64x64xbf16> -> tensor<64x64xf32>
    scf.yield %d : tensor<64x64xf32>
  }
  tile.store %sums, %y[%c0, %c0] along [0, 1] : tensor<64x64xf32>, !tile.view<?x?xf32, align = 16>
  return
}

// -----

// A carried row sum has the layout that the reduction gives: nothing is converted in the loop.
// CHECK-LABEL: func @carried_sums
func.func @carried_sums(%x: !tile.view<?x?xf32, align = 16> {tile.name = "x", tile.dims = ["M", "N"]},
                        %y: !tile.view<?xf32> {tile.name = "y", tile.dims = ["M"]})
    attributes {tile.kernel, tile.num_stages = 1 : i32, tile.grid = affine_map<()[M] -> (M)>, tile.grid_dims = ["M"]} {
  %c0 = arith.constant 0 : index
  %c64 = arith.constant 64 : index
  %n = tile.dim %x, 1 : !tile.view<?x?xf32, align = 16>
  %zero = arith.constant dense<0.0> : tensor<16xf32>
  // CHECK: scf.for {{.*}} -> (tensor<16xf32, #[[sums:.*]]>)
  // CHECK: tile.reduce
  // CHECK: -> tensor<16xf32, #[[sums]]>
  // CHECK-NOT: tile.convert_layout
  // CHECK: scf.yield {{.*}} : tensor<16xf32, #[[sums]]>
  %r = scf.for %i = %c0 to %n step %c64 iter_args(%acc = %zero) -> (tensor<16xf32>) {
    %t = tile.load %x[%c0, %i] along [0, 1] : !tile.view<?x?xf32, align = 16> -> tensor<16x64xf32>
    %s = tile.reduce (%t) along 1 {
    ^bb0(%a: f32, %b: f32):
      %c = arith.addf %a, %b : f32
      tile.yield %c : f32
    } : (tensor<16x64xf32>) -> (tensor<16xf32>)
    %next = arith.addf %acc, %s : tensor<16xf32>
    scf.yield %next : tensor<16xf32>
  }
  tile.store %r, %y[%c0] along [0] : tensor<16xf32>, !tile.view<?xf32>
  return
}

// -----

// Both branches of a conditional give their result in one layout.
// CHECK-LABEL: func @branches
func.func @branches(%x: !tile.view<?x?xf32, align = 16> {tile.name = "x", tile.dims = ["M", "N"]},
                    %y: !tile.view<?x?xf32, strides = [1, ?], align = 16> {tile.name = "y", tile.dims = ["M", "N"]})
    attributes {tile.kernel, tile.grid = affine_map<()[M] -> (M)>, tile.grid_dims = ["M"]} {
  %c0 = arith.constant 0 : index
  %i = tile.program_id 0
  %first = arith.cmpi eq, %i, %c0 : index
  // CHECK: scf.if {{.*}} -> (tensor<64x64xf32, #[[result:.*]]>)
  // CHECK: scf.yield {{.*}} : tensor<64x64xf32, #[[result]]>
  // CHECK: } else {
  // CHECK: scf.yield {{.*}} : tensor<64x64xf32, #[[result]]>
  %t = scf.if %first -> (tensor<64x64xf32>) {
    %a = tile.load %x[%c0, %c0] along [0, 1] : !tile.view<?x?xf32, align = 16> -> tensor<64x64xf32>
    scf.yield %a : tensor<64x64xf32>
  } else {
    %b = tile.load %y[%c0, %c0] along [0, 1] : !tile.view<?x?xf32, strides = [1, ?], align = 16> -> tensor<64x64xf32>
    scf.yield %b : tensor<64x64xf32>
  }
  tile.store %t, %x[%c0, %c0] along [0, 1] : tensor<64x64xf32>, !tile.view<?x?xf32, align = 16>
  return
}

// -----

// A while loop's tensors have one layout on every edge.
// CHECK-LABEL: func @while
func.func @while(%x: !tile.view<?xf32, align = 16> {tile.name = "x", tile.dims = ["M"]})
    attributes {tile.kernel, tile.grid = affine_map<()[M] -> (M)>, tile.grid_dims = ["M"]} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c8 = arith.constant 8 : index
  %t = tile.load %x[%c0] along [0] : !tile.view<?xf32, align = 16> -> tensor<512xf32>
  // CHECK: scf.while (%{{.*}} = %{{.*}}, %{{.*}} = %{{.*}}) : (tensor<512xf32, #[[l:[a-z0-9]+]]>, index) -> (tensor<512xf32, #[[l]]>, index)
  // CHECK: scf.condition(%{{.*}}) {{.*}} : tensor<512xf32, #[[l]]>, index
  // CHECK: ^bb0(%{{.*}}: tensor<512xf32, #[[l]]>, %{{.*}}: index):
  // CHECK: scf.yield {{.*}} : tensor<512xf32, #[[l]]>, index
  // CHECK-NOT: tile.convert_layout
  // CHECK: return
  %r:2 = scf.while (%v = %t, %i = %c0) : (tensor<512xf32>, index) -> (tensor<512xf32>, index) {
    %more = arith.cmpi slt, %i, %c8 : index
    scf.condition(%more) %v, %i : tensor<512xf32>, index
  } do {
  ^bb0(%v: tensor<512xf32>, %i: index):
    %d = arith.addf %v, %v : tensor<512xf32>
    %n = arith.addi %i, %c1 : index
    scf.yield %d, %n : tensor<512xf32>, index
  }
  tile.store %r#0, %x[%c0] along [0] : tensor<512xf32>, !tile.view<?xf32, align = 16>
  return
}

// -----

// A tensor from outside is used inside nested regions in the layout they need.
// CHECK-LABEL: func @from_outside
func.func @from_outside(%x: !tile.view<?x?xf32, align = 16> {tile.name = "x", tile.dims = ["M", "N"]})
    attributes {tile.kernel, tile.num_stages = 1 : i32, tile.grid = affine_map<()[M] -> (M)>, tile.grid_dims = ["M"]} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = tile.dim %x, 0 : !tile.view<?x?xf32, align = 16>
  // CHECK: %[[tile:.*]] = tile.load {{.*}} -> tensor<16x64xf32, #[[rows:.*]]>
  // CHECK: scf.for
  // CHECK: scf.if
  // CHECK: tile.store %[[tile]], {{.*}} : tensor<16x64xf32, #[[rows]]>
  %t = tile.load %x[%c0, %c0] along [0, 1] : !tile.view<?x?xf32, align = 16> -> tensor<16x64xf32>
  scf.for %i = %c0 to %n step %c1 {
    %go = arith.cmpi ne, %i, %c1 : index
    scf.if %go {
      tile.store %t, %x[%i, %c0] along [0, 1] : tensor<16x64xf32>, !tile.view<?x?xf32, align = 16>
    }
  }
  return
}
