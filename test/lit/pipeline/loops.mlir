// RUN: treadle-opt %s --tile-assign-layouts --canonicalize --cse --tile-pipeline --split-input-file | FileCheck %s

// Every copy that runs ahead is predicated: a loop of fewer iterations than stages must not read past its end.
// CHECK-LABEL: func @prologue_predicates
// CHECK-SAME: %[[x:[a-z0-9]+]]: !tile.view<?x?xbf16, align = 16>
func.func @prologue_predicates(%x: !tile.view<?x?xbf16, align = 16> {tile.name = "x", tile.dims = ["M", "K"]},
                               %y: !tile.view<?x?xf32, align = 16> {tile.name = "y", tile.dims = ["M", "N"]},
                               %from: index {tile.name = "from"}, %step: index {tile.name = "step"})
    attributes {tile.kernel, tile.num_stages = 3 : i32, tile.grid = affine_map<()[M] -> (M)>, tile.grid_dims = ["M"]} {
  %c0 = arith.constant 0 : index
  // CHECK: %[[end:.*]] = tile.dim %[[x]], 1
  // CHECK: %[[first:.*]] = arith.cmpi slt, %[[from:.*]], %[[end]] : index
  // CHECK: tile.async_load %[[x]][%{{.*}}, %[[from]]] along [0, 1] into %{{.*}} if %[[first]]
  // CHECK: %[[at:.*]] = arith.addi %[[from]], %[[step:.*]] : index
  // CHECK: %[[second:.*]] = arith.cmpi slt, %[[at]], %[[end]] : index
  // CHECK: tile.async_load %[[x]][%{{.*}}, %[[at]]] along [0, 1] into %{{.*}} if %[[second]]
  // CHECK: %[[ahead:.*]] = arith.muli %[[step]], %c2
  // CHECK: scf.for %[[i:.*]] = %[[from]] to %[[end]] step %[[step]]
  // CHECK: %[[later:.*]] = arith.addi %[[i]], %[[ahead]] : index
  // CHECK: %[[go:.*]] = arith.cmpi slt, %[[later]], %[[end]] : index
  // CHECK: tile.async_load %[[x]][%{{.*}}, %[[later]]] along [0, 1] into %{{.*}} if %[[go]]
  %n = tile.dim %x, 1 : !tile.view<?x?xbf16, align = 16>
  %zero = arith.constant dense<0.0> : tensor<64x64xf32>
  %sums = scf.for %i = %from to %n step %step iter_args(%acc = %zero) -> (tensor<64x64xf32>) {
    %a = tile.load %x[%c0, %i] along [0, 1] : !tile.view<?x?xbf16, align = 16> -> tensor<64x64xbf16>
    %d = tile.dot %a, %a, %acc : tensor<64x64xbf16>, tensor<64x64xbf16> -> tensor<64x64xf32>
    scf.yield %d : tensor<64x64xf32>
  }
  tile.store %sums, %y[%c0, %c0] along [0, 1] : tensor<64x64xf32>, !tile.view<?x?xf32, align = 16>
  return
}

// -----

// The slots to read and to fill go round: they are carried by the loop, and start one ring less one slot apart.
// CHECK-LABEL: func @slots
func.func @slots(%x: !tile.view<?x?xbf16, align = 16> {tile.name = "x", tile.dims = ["M", "K"]},
                 %y: !tile.view<?x?xf32, align = 16> {tile.name = "y", tile.dims = ["M", "N"]})
    attributes {tile.kernel, tile.num_stages = 3 : i32, tile.grid = affine_map<()[M] -> (M)>, tile.grid_dims = ["M"]} {
  // CHECK: %[[ring:.*]] = tile.alloc
  // CHECK: %[[zero:c0.*]] = arith.constant 0 : index
  // CHECK: %[[two:c2.*]] = arith.constant 2 : index
  // CHECK: scf.for {{.*}} iter_args(%{{.*}} = %{{.*}}, %[[read:.*]] = %{{c0.*}}, %[[fill:.*]] = %{{c2.*}})
  // CHECK: %[[to:.*]] = tile.slot %[[ring]][%[[fill]]]
  // CHECK: tile.async_load {{.*}} into %[[to]] if
  // CHECK: %[[from:.*]] = tile.slot %[[ring]][%[[read]]]
  // CHECK: tile.local_load %[[from]]
  // CHECK: %[[more:.*]] = arith.addi %[[read]], %c1
  // CHECK: %[[end:.*]] = arith.cmpi eq, %[[more]], %c3
  // CHECK: arith.select %[[end]], %{{c0.*}}, %[[more]]
  %c0 = arith.constant 0 : index
  %c64 = arith.constant 64 : index
  %n = tile.dim %x, 1 : !tile.view<?x?xbf16, align = 16>
  %zero = arith.constant dense<0.0> : tensor<64x64xf32>
  %sums = scf.for %i = %c0 to %n step %c64 iter_args(%acc = %zero) -> (tensor<64x64xf32>) {
    %a = tile.load %x[%c0, %i] along [0, 1] : !tile.view<?x?xbf16, align = 16> -> tensor<64x64xbf16>
    %d = tile.dot %a, %a, %acc : tensor<64x64xbf16>, tensor<64x64xbf16> -> tensor<64x64xf32>
    scf.yield %d : tensor<64x64xf32>
  }
  tile.store %sums, %y[%c0, %c0] along [0, 1] : tensor<64x64xf32>, !tile.view<?x?xf32, align = 16>
  return
}

// -----

// Both copies of an iteration are one group.
// CHECK-LABEL: func @one_group
func.func @one_group(%x: !tile.view<?x?xbf16, align = 16> {tile.name = "x", tile.dims = ["M", "K"]},
                     %w: !tile.view<?x?xbf16, align = 16> {tile.name = "w", tile.dims = ["K", "N"]},
                     %y: !tile.view<?x?xf32, align = 16> {tile.name = "y", tile.dims = ["M", "N"]})
    attributes {tile.kernel, tile.num_stages = 2 : i32, tile.grid = affine_map<()[M] -> (M)>, tile.grid_dims = ["M"]} {
  // CHECK-COUNT-2: tile.async_load
  // CHECK-NEXT: tile.async_commit
  // CHECK: scf.for
  // CHECK-COUNT-2: tile.async_load
  // CHECK-NEXT: tile.async_commit
  // CHECK-NOT: tile.async_commit
  // CHECK: return
  %c0 = arith.constant 0 : index
  %c64 = arith.constant 64 : index
  %n = tile.dim %x, 1 : !tile.view<?x?xbf16, align = 16>
  %zero = arith.constant dense<0.0> : tensor<64x64xf32>
  %sums = scf.for %i = %c0 to %n step %c64 iter_args(%acc = %zero) -> (tensor<64x64xf32>) {
    %a = tile.load %x[%c0, %i] along [0, 1] : !tile.view<?x?xbf16, align = 16> -> tensor<64x64xbf16>
    %b = tile.load %w[%i, %c0] along [0, 1] : !tile.view<?x?xbf16, align = 16> -> tensor<64x64xbf16>
    %d = tile.dot %a, %b, %acc : tensor<64x64xbf16>, tensor<64x64xbf16> -> tensor<64x64xf32>
    scf.yield %d : tensor<64x64xf32>
  }
  tile.store %sums, %y[%c0, %c0] along [0, 1] : tensor<64x64xf32>, !tile.view<?x?xf32, align = 16>
  return
}

// -----

// Index arithmetic on the induction variable runs ahead with its copy.
// CHECK-LABEL: func @index_arithmetic
func.func @index_arithmetic(%x: !tile.view<?x?xbf16, align = 16> {tile.name = "x", tile.dims = ["M", "K"]},
                            %y: !tile.view<?x?xf32, align = 16> {tile.name = "y", tile.dims = ["M", "N"]})
    attributes {tile.kernel, tile.num_stages = 2 : i32, tile.grid = affine_map<()[M] -> (M)>, tile.grid_dims = ["M"]} {
  // CHECK: scf.for
  // CHECK-NEXT: tile.async_wait 0
  // CHECK-NEXT: %[[later:.*]] = arith.addi
  // CHECK: %[[column:.*]] = arith.muli %[[later]], %c64
  // CHECK: tile.async_load %{{.*}}[%{{.*}}, %[[column]]]
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c64 = arith.constant 64 : index
  %n = tile.dim %x, 0 : !tile.view<?x?xbf16, align = 16>
  %zero = arith.constant dense<0.0> : tensor<64x64xf32>
  %sums = scf.for %i = %c0 to %n step %c1 iter_args(%acc = %zero) -> (tensor<64x64xf32>) {
    %column = arith.muli %i, %c64 : index
    %a = tile.load %x[%c0, %column] along [0, 1] : !tile.view<?x?xbf16, align = 16> -> tensor<64x64xbf16>
    %d = tile.dot %a, %a, %acc : tensor<64x64xbf16>, tensor<64x64xbf16> -> tensor<64x64xf32>
    scf.yield %d : tensor<64x64xf32>
  }
  tile.store %sums, %y[%c0, %c0] along [0, 1] : tensor<64x64xf32>, !tile.view<?x?xf32, align = 16>
  return
}

// -----

// An address that is read from memory is not known ahead: the copy is waited for where it stands, in a ring of one.
// CHECK-LABEL: func @data_dependent
func.func @data_dependent(%x: !tile.view<?x?xbf16, align = 16> {tile.name = "x", tile.dims = ["M", "K"]},
                          %rows: !tile.view<?xi64> {tile.name = "rows", tile.dims = ["R"]},
                          %y: !tile.view<?x?xf32, align = 16> {tile.name = "y", tile.dims = ["M", "N"]})
    attributes {tile.kernel, tile.num_stages = 3 : i32, tile.grid = affine_map<()[M] -> (M)>, tile.grid_dims = ["M"]} {
  // CHECK: tile.alloc : !tile.shared<1 x
  // CHECK-NOT: tile.async_load
  // CHECK: scf.for
  // CHECK: %[[row:.*]] = tile.load {{.*}} -> i64
  // CHECK: tile.barrier
  // CHECK-NEXT: tile.async_load
  // CHECK-NEXT: tile.async_commit
  // CHECK-NEXT: tile.async_wait 0
  // CHECK: tile.local_load
  // CHECK: scf.yield
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = tile.dim %rows, 0 : !tile.view<?xi64>
  %zero = arith.constant dense<0.0> : tensor<64x64xf32>
  %sums = scf.for %i = %c0 to %n step %c1 iter_args(%acc = %zero) -> (tensor<64x64xf32>) {
    %r = tile.load %rows[%i] along [] : !tile.view<?xi64> -> i64
    %row = arith.index_cast %r : i64 to index
    %a = tile.load %x[%row, %c0] along [0, 1] : !tile.view<?x?xbf16, align = 16> -> tensor<64x64xbf16>
    %d = tile.dot %a, %a, %acc : tensor<64x64xbf16>, tensor<64x64xbf16> -> tensor<64x64xf32>
    scf.yield %d : tensor<64x64xf32>
  }
  tile.store %sums, %y[%c0, %c0] along [0, 1] : tensor<64x64xf32>, !tile.view<?x?xf32, align = 16>
  return
}

// -----

// An address that the loop carries is not known ahead either.
// CHECK-LABEL: func @carried_address
func.func @carried_address(%x: !tile.view<?x?xbf16, align = 16> {tile.name = "x", tile.dims = ["M", "K"]},
                           %y: !tile.view<?x?xf32, align = 16> {tile.name = "y", tile.dims = ["M", "N"]})
    attributes {tile.kernel, tile.num_stages = 3 : i32, tile.grid = affine_map<()[M] -> (M)>, tile.grid_dims = ["M"]} {
  // CHECK: tile.alloc : !tile.shared<1 x
  // CHECK-NOT: tile.async_load
  // CHECK: scf.for
  // CHECK: tile.barrier
  // CHECK: tile.async_wait 0
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c64 = arith.constant 64 : index
  %n = tile.dim %x, 0 : !tile.view<?x?xbf16, align = 16>
  %zero = arith.constant dense<0.0> : tensor<64x64xf32>
  %r:2 = scf.for %i = %c0 to %n step %c1 iter_args(%acc = %zero, %at = %c0) -> (tensor<64x64xf32>, index) {
    %a = tile.load %x[%c0, %at] along [0, 1] : !tile.view<?x?xbf16, align = 16> -> tensor<64x64xbf16>
    %d = tile.dot %a, %a, %acc : tensor<64x64xbf16>, tensor<64x64xbf16> -> tensor<64x64xf32>
    %next = arith.addi %at, %c64 : index
    scf.yield %d, %next : tensor<64x64xf32>, index
  }
  tile.store %r#0, %y[%c0, %c0] along [0, 1] : tensor<64x64xf32>, !tile.view<?x?xf32, align = 16>
  return
}

// -----

// The copies of a while loop are waited for in place.
// CHECK-LABEL: func @while
func.func @while(%x: !tile.view<?x?xbf16, align = 16> {tile.name = "x", tile.dims = ["M", "K"]},
                 %y: !tile.view<?x?xf32, align = 16> {tile.name = "y", tile.dims = ["M", "N"]})
    attributes {tile.kernel, tile.num_stages = 3 : i32, tile.grid = affine_map<()[M] -> (M)>, tile.grid_dims = ["M"]} {
  // CHECK: tile.alloc : !tile.shared<1 x
  // CHECK: } do {
  // CHECK: tile.barrier
  // CHECK-NEXT: tile.async_load
  // CHECK-NEXT: tile.async_commit
  // CHECK-NEXT: tile.async_wait 0
  %c0 = arith.constant 0 : index
  %c64 = arith.constant 64 : index
  %n = tile.dim %x, 1 : !tile.view<?x?xbf16, align = 16>
  %zero = arith.constant dense<0.0> : tensor<64x64xf32>
  %r:2 = scf.while (%acc = %zero, %i = %c0) : (tensor<64x64xf32>, index) -> (tensor<64x64xf32>, index) {
    %more = arith.cmpi slt, %i, %n : index
    scf.condition(%more) %acc, %i : tensor<64x64xf32>, index
  } do {
  ^bb0(%acc: tensor<64x64xf32>, %i: index):
    %a = tile.load %x[%c0, %i] along [0, 1] : !tile.view<?x?xbf16, align = 16> -> tensor<64x64xbf16>
    %d = tile.dot %a, %a, %acc : tensor<64x64xbf16>, tensor<64x64xbf16> -> tensor<64x64xf32>
    %next = arith.addi %i, %c64 : index
    scf.yield %d, %next : tensor<64x64xf32>, index
  }
  tile.store %r#0, %y[%c0, %c0] along [0, 1] : tensor<64x64xf32>, !tile.view<?x?xf32, align = 16>
  return
}

// -----

// Two loops one after the other have a ring each, and the first is drained before the second begins.
// CHECK-LABEL: func @two_loops
func.func @two_loops(%x: !tile.view<?x?xbf16, align = 16> {tile.name = "x", tile.dims = ["M", "K"]},
                     %y: !tile.view<?x?xf32, align = 16> {tile.name = "y", tile.dims = ["M", "N"]})
    attributes {tile.kernel, tile.num_stages = 3 : i32, tile.grid = affine_map<()[M] -> (M)>, tile.grid_dims = ["M"]} {
  // CHECK-COUNT-2: tile.alloc : !tile.shared<3 x
  // CHECK: scf.for
  // CHECK-NEXT: tile.async_wait 1
  // CHECK: }
  // CHECK-NEXT: tile.async_wait 0
  // CHECK-COUNT-2: tile.async_commit
  // CHECK: scf.for
  // CHECK-NEXT: tile.async_wait 1
  // CHECK: }
  // CHECK-NEXT: tile.async_wait 0
  %c0 = arith.constant 0 : index
  %c64 = arith.constant 64 : index
  %n = tile.dim %x, 1 : !tile.view<?x?xbf16, align = 16>
  %zero = arith.constant dense<0.0> : tensor<64x64xf32>
  %first = scf.for %i = %c0 to %n step %c64 iter_args(%acc = %zero) -> (tensor<64x64xf32>) {
    %a = tile.load %x[%c0, %i] along [0, 1] : !tile.view<?x?xbf16, align = 16> -> tensor<64x64xbf16>
    %d = tile.dot %a, %a, %acc : tensor<64x64xbf16>, tensor<64x64xbf16> -> tensor<64x64xf32>
    scf.yield %d : tensor<64x64xf32>
  }
  %second = scf.for %i = %c0 to %n step %c64 iter_args(%acc = %first) -> (tensor<64x64xf32>) {
    %a = tile.load %x[%i, %c0] along [0, 1] : !tile.view<?x?xbf16, align = 16> -> tensor<64x64xbf16>
    %d = tile.dot %a, %a, %acc : tensor<64x64xbf16>, tensor<64x64xbf16> -> tensor<64x64xf32>
    scf.yield %d : tensor<64x64xf32>
  }
  tile.store %second, %y[%c0, %c0] along [0, 1] : tensor<64x64xf32>, !tile.view<?x?xf32, align = 16>
  return
}

// -----

// Copies outside of loops start together and are waited for together, once.
// CHECK-LABEL: func @straight_line
func.func @straight_line(%x: !tile.view<?x?xbf16, align = 16> {tile.name = "x", tile.dims = ["M", "K"]},
                         %w: !tile.view<?x?xbf16, align = 16> {tile.name = "w", tile.dims = ["K", "N"]},
                         %y: !tile.view<?x?xf32, align = 16> {tile.name = "y", tile.dims = ["M", "N"]})
    attributes {tile.kernel, tile.num_stages = 3 : i32, tile.grid = affine_map<()[M] -> (M)>, tile.grid_dims = ["M"]} {
  // CHECK-COUNT-2: tile.alloc : !tile.shared<1 x
  // CHECK: tile.barrier
  // CHECK: tile.async_load
  // CHECK: tile.async_load
  // CHECK-NEXT: tile.async_commit
  // CHECK-NEXT: tile.async_wait 0
  // CHECK-NOT: tile.async_wait
  // CHECK: return
  %c0 = arith.constant 0 : index
  %c64 = arith.constant 64 : index
  %zero = arith.constant dense<0.0> : tensor<64x64xf32>
  %i = tile.program_id 0
  %a = tile.load %x[%c0, %c0] along [0, 1] : !tile.view<?x?xbf16, align = 16> -> tensor<64x64xbf16>
  %at = arith.muli %i, %c64 : index
  %b = tile.load %w[%at, %c0] along [0, 1] : !tile.view<?x?xbf16, align = 16> -> tensor<64x64xbf16>
  %d = tile.dot %a, %b, %zero : tensor<64x64xbf16>, tensor<64x64xbf16> -> tensor<64x64xf32>
  tile.store %d, %y[%c0, %c0] along [0, 1] : tensor<64x64xf32>, !tile.view<?x?xf32, align = 16>
  return
}

// -----

// A copy does not move across a store, which could be to the same memory.
// CHECK-LABEL: func @store_between
func.func @store_between(%x: !tile.view<?x?xbf16, align = 16> {tile.name = "x", tile.dims = ["M", "K"]},
                         %y: !tile.view<?x?xf32, align = 16> {tile.name = "y", tile.dims = ["M", "N"]})
    attributes {tile.kernel, tile.num_stages = 3 : i32, tile.grid = affine_map<()[M] -> (M)>, tile.grid_dims = ["M"]} {
  // CHECK: tile.async_load
  // CHECK-NEXT: tile.async_commit
  // CHECK-NEXT: tile.async_wait 0
  // CHECK: tile.store
  // CHECK: tile.barrier
  // CHECK-NEXT: tile.async_load
  // CHECK-NEXT: tile.async_commit
  // CHECK-NEXT: tile.async_wait 0
  // CHECK: tile.store
  %c0 = arith.constant 0 : index
  %c64 = arith.constant 64 : index
  %zero = arith.constant dense<0.0> : tensor<64x64xf32>
  %a = tile.load %x[%c0, %c0] along [0, 1] : !tile.view<?x?xbf16, align = 16> -> tensor<64x64xbf16>
  %d = tile.dot %a, %a, %zero : tensor<64x64xbf16>, tensor<64x64xbf16> -> tensor<64x64xf32>
  %o = arith.truncf %d : tensor<64x64xf32> to tensor<64x64xbf16>
  tile.store %o, %x[%c64, %c0] along [0, 1] : tensor<64x64xbf16>, !tile.view<?x?xbf16, align = 16>
  %b = tile.load %x[%c64, %c0] along [0, 1] : !tile.view<?x?xbf16, align = 16> -> tensor<64x64xbf16>
  %e = tile.dot %b, %b, %d : tensor<64x64xbf16>, tensor<64x64xbf16> -> tensor<64x64xf32>
  tile.store %e, %y[%c0, %c0] along [0, 1] : tensor<64x64xf32>, !tile.view<?x?xf32, align = 16>
  return
}

// -----

// A loop without copies is left alone.
// CHECK-LABEL: func @no_copies
func.func @no_copies(%x: !tile.view<?x64xf32, align = 16> {tile.name = "x", tile.dims = ["M", 64]})
    attributes {tile.kernel, tile.num_stages = 3 : i32, tile.grid = affine_map<()[M] -> (M)>, tile.grid_dims = ["M"]} {
  // CHECK-NOT: tile.async
  // CHECK: scf.for %{{[a-z0-9]+}} = %{{[a-z0-9]+}} to %{{[a-z0-9]+}} step %{{[a-z0-9]+}} {
  // CHECK-NOT: tile.async
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = tile.dim %x, 0 : !tile.view<?x64xf32, align = 16>
  %one = arith.constant dense<1.0> : tensor<64xf32>
  scf.for %i = %c0 to %n step %c1 {
    tile.store %one, %x[%i, %c0] along [1] : tensor<64xf32>, !tile.view<?x64xf32, align = 16>
  }
  return
}
