// RUN: treadle-opt %s --tile-assign-layouts --split-input-file | FileCheck %s

// One warp, one fragment of bf16: the accumulator and both operands are those of mma.m16n8k16.
// CHECK-DAG: #[[acc:layout.*]] = #tile.layout<reg = [1, 64], lane = [2, 4, 8, 16, 32], warp = []>
// CHECK-DAG: #[[a:layout.*]] = #tile.layout<reg = [1, 128, 8], lane = [2, 4, 16, 32, 64], warp = []>
// CHECK-DAG: #[[b:layout.*]] = #tile.layout<reg = [8, 64], lane = [16, 32, 1, 2, 4], warp = []>
// CHECK-LABEL: func @fragment_bf16
func.func @fragment_bf16(%x: !tile.view<?x?xbf16, align = 16> {tile.name = "x", tile.dims = ["M", "K"]},
                         %w: !tile.view<?x?xbf16, align = 16> {tile.name = "w", tile.dims = ["K", "N"]},
                         %y: !tile.view<?x?xf32, align = 16> {tile.name = "y", tile.dims = ["M", "N"]})
    attributes {tile.kernel, tile.num_warps = 1 : i32, tile.grid = affine_map<()[M] -> (M)>, tile.grid_dims = ["M"]} {
  %c0 = arith.constant 0 : index
  %zero = arith.constant dense<0.0> : tensor<16x8xf32>
  %a = tile.load %x[%c0, %c0] along [0, 1] : !tile.view<?x?xbf16, align = 16> -> tensor<16x16xbf16>
  %b = tile.load %w[%c0, %c0] along [0, 1] : !tile.view<?x?xbf16, align = 16> -> tensor<16x8xbf16>
  // CHECK: tile.dot {{.*}} : tensor<16x16xbf16, #[[a]]>, tensor<16x8xbf16, #[[b]]> -> tensor<16x8xf32, #[[acc]]>
  %d = tile.dot %a, %b, %zero : tensor<16x16xbf16>, tensor<16x8xbf16> -> tensor<16x8xf32>
  tile.store %d, %y[%c0, %c0] along [0, 1] : tensor<16x8xf32>, !tile.view<?x?xf32, align = 16>
  return
}

// -----

// One warp, one fragment of tf32: operands of mma.m16n8k8.
// CHECK-DAG: #[[acc:layout.*]] = #tile.layout<reg = [1, 64], lane = [2, 4, 8, 16, 32], warp = []>
// CHECK-DAG: #[[a:layout.*]] = #tile.layout<reg = [64, 4], lane = [1, 2, 8, 16, 32], warp = []>
// CHECK-DAG: #[[b:layout.*]] = #tile.layout<reg = [32], lane = [8, 16, 1, 2, 4], warp = []>
// CHECK-LABEL: func @fragment_tf32
func.func @fragment_tf32(%x: !tile.view<?x?xf32, align = 16> {tile.name = "x", tile.dims = ["M", "K"]},
                         %w: !tile.view<?x?xf32, align = 16> {tile.name = "w", tile.dims = ["K", "N"]},
                         %y: !tile.view<?x?xf32, align = 16> {tile.name = "y", tile.dims = ["M", "N"]})
    attributes {tile.kernel, tile.num_warps = 1 : i32, tile.grid = affine_map<()[M] -> (M)>, tile.grid_dims = ["M"]} {
  %c0 = arith.constant 0 : index
  %zero = arith.constant dense<0.0> : tensor<16x8xf32>
  %a = tile.load %x[%c0, %c0] along [0, 1] : !tile.view<?x?xf32, align = 16> -> tensor<16x8xf32>
  %b = tile.load %w[%c0, %c0] along [0, 1] : !tile.view<?x?xf32, align = 16> -> tensor<8x8xf32>
  // CHECK: tile.dot {{.*}} precision tf32 : tensor<16x8xf32, #[[a]]>, tensor<8x8xf32, #[[b]]> -> tensor<16x8xf32, #[[acc]]>
  %d = tile.dot %a, %b, %zero precision tf32 : tensor<16x8xf32>, tensor<8x8xf32> -> tensor<16x8xf32>
  tile.store %d, %y[%c0, %c0] along [0, 1] : tensor<16x8xf32>, !tile.view<?x?xf32, align = 16>
  return
}

// -----

// Four warps share a product in two rows and two columns; A is replicated along columns, B along rows (basis 0).
// CHECK-DAG: #[[acc:layout.*]] = #tile.layout<reg = [1, 512, 8, 16, 1024], lane = [2, 4, 64, 128, 256], warp = [2048, 32]>
// CHECK-DAG: #[[a:layout.*]] = #tile.layout<reg = {{.*}}, lane = [2, 4, 32, 64, 128], warp = [1024, 0]>
// CHECK-DAG: #[[b:layout.*]] = #tile.layout<reg = {{.*}}, lane = [128, 256, 1, 2, 4], warp = [0, 32]>
// CHECK-LABEL: func @four_warps
func.func @four_warps(%x: !tile.view<?x?xbf16, align = 16> {tile.name = "x", tile.dims = ["M", "K"]},
                      %w: !tile.view<?x?xbf16, align = 16> {tile.name = "w", tile.dims = ["K", "N"]},
                      %y: !tile.view<?x?xf32, align = 16> {tile.name = "y", tile.dims = ["M", "N"]})
    attributes {tile.kernel, tile.num_warps = 4 : i32, tile.grid = affine_map<()[M] -> (M)>, tile.grid_dims = ["M"]} {
  %c0 = arith.constant 0 : index
  %zero = arith.constant dense<0.0> : tensor<64x64xf32>
  %a = tile.load %x[%c0, %c0] along [0, 1] : !tile.view<?x?xbf16, align = 16> -> tensor<64x32xbf16>
  %b = tile.load %w[%c0, %c0] along [0, 1] : !tile.view<?x?xbf16, align = 16> -> tensor<32x64xbf16>
  // CHECK: tile.dot {{.*}} : tensor<64x32xbf16, #[[a]]>, tensor<32x64xbf16, #[[b]]> -> tensor<64x64xf32, #[[acc]]>
  %d = tile.dot %a, %b, %zero : tensor<64x32xbf16>, tensor<32x64xbf16> -> tensor<64x64xf32>
  tile.store %d, %y[%c0, %c0] along [0, 1] : tensor<64x64xf32>, !tile.view<?x?xf32, align = 16>
  return
}

// -----

// A read that a product wants is copied to shared memory in rows of 16-byte pieces, xor-swizzled, and read as fragments.
// CHECK-DAG: #[[swizzled:shared.*]] = #tile.layout<offset = [1, 2, 4, 8, 16, 32, 72, 144, 288, 512, 1024, 2048]>
// CHECK-LABEL: func @staged
func.func @staged(%x: !tile.view<?x?xbf16, align = 16> {tile.name = "x", tile.dims = ["M", "K"]},
                  %y: !tile.view<?x?xf32, align = 16> {tile.name = "y", tile.dims = ["M", "N"]})
    attributes {tile.kernel, tile.grid = affine_map<()[M] -> (M)>, tile.grid_dims = ["M"]} {
  // CHECK: %[[slot:.*]] = tile.alloc : !tile.shared<1 x{{ *}}[64, 64], bf16, #[[swizzled]]>
  // CHECK: tile.async_load %{{.*}}[%{{.*}}, %{{.*}}] along [0, 1] into %[[slot]]
  // CHECK: tile.local_load %[[slot]] : {{.*}} -> tensor<64x64xbf16, #[[a:.*]]>
  // CHECK-NOT: tile.load
  // CHECK: tile.dot {{.*}} : tensor<64x64xbf16, #[[a]]>
  %c0 = arith.constant 0 : index
  %zero = arith.constant dense<0.0> : tensor<64x64xf32>
  %b = arith.constant dense<1.0> : tensor<64x64xbf16>
  %a = tile.load %x[%c0, %c0] along [0, 1] : !tile.view<?x?xbf16, align = 16> -> tensor<64x64xbf16>
  %d = tile.dot %a, %b, %zero : tensor<64x64xbf16>, tensor<64x64xbf16> -> tensor<64x64xf32>
  tile.store %d, %y[%c0, %c0] along [0, 1] : tensor<64x64xf32>, !tile.view<?x?xf32, align = 16>
  return
}

// -----

// One read that both operands want is copied once.
// CHECK-LABEL: func @staged_once
func.func @staged_once(%x: !tile.view<?x?xbf16, align = 16> {tile.name = "x", tile.dims = ["M", "K"]},
                       %y: !tile.view<?x?xf32, align = 16> {tile.name = "y", tile.dims = ["M", "N"]})
    attributes {tile.kernel, tile.grid = affine_map<()[M] -> (M)>, tile.grid_dims = ["M"]} {
  // CHECK-COUNT-1: tile.alloc
  // CHECK-NOT: tile.alloc
  // CHECK-COUNT-1: tile.async_load
  // CHECK-NOT: tile.async_load
  // CHECK: tile.dot
  %c0 = arith.constant 0 : index
  %zero = arith.constant dense<0.0> : tensor<64x64xf32>
  %a = tile.load %x[%c0, %c0] along [0, 1] : !tile.view<?x?xbf16, align = 16> -> tensor<64x64xbf16>
  %t = tile.transpose %a, [1, 0] : tensor<64x64xbf16> -> tensor<64x64xbf16>
  %d = tile.dot %a, %t, %zero : tensor<64x64xbf16>, tensor<64x64xbf16> -> tensor<64x64xf32>
  tile.store %d, %y[%c0, %c0] along [0, 1] : tensor<64x64xf32>, !tile.view<?x?xf32, align = 16>
  return
}

// -----

// A read of 2-byte pieces cannot be copied asynchronously: it is read directly.
// CHECK-LABEL: func @unaligned
func.func @unaligned(%x: !tile.view<?x?xbf16> {tile.name = "x", tile.dims = ["M", "K"]},
                     %y: !tile.view<?x?xf32> {tile.name = "y", tile.dims = ["M", "N"]})
    attributes {tile.kernel, tile.grid = affine_map<()[M] -> (M)>, tile.grid_dims = ["M"]} {
  // CHECK-NOT: tile.async_load
  // CHECK: tile.load
  // CHECK-NOT: tile.async_load
  // CHECK: tile.dot
  %c0 = arith.constant 0 : index
  %zero = arith.constant dense<0.0> : tensor<64x64xf32>
  %a = tile.load %x[%c0, %c0] along [0, 1] : !tile.view<?x?xbf16> -> tensor<64x64xbf16>
  %d = tile.dot %a, %a, %zero : tensor<64x64xbf16>, tensor<64x64xbf16> -> tensor<64x64xf32>
  tile.store %d, %y[%c0, %c0] along [0, 1] : tensor<64x64xf32>, !tile.view<?x?xf32>
  return
}

// -----

// A read with a padding of its own is not copied asynchronously: copies pad with zero.
// CHECK-LABEL: func @padded
func.func @padded(%x: !tile.view<?x?xbf16, align = 16> {tile.name = "x", tile.dims = ["M", "K"]},
                  %y: !tile.view<?x?xf32, align = 16> {tile.name = "y", tile.dims = ["M", "N"]})
    attributes {tile.kernel, tile.grid = affine_map<()[M] -> (M)>, tile.grid_dims = ["M"]} {
  // CHECK-NOT: tile.async_load
  // CHECK: tile.load {{.*}} other(%{{.*}} : bf16)
  // CHECK-NOT: tile.async_load
  // CHECK: tile.dot
  %c0 = arith.constant 0 : index
  %one = arith.constant 1.0 : bf16
  %zero = arith.constant dense<0.0> : tensor<64x64xf32>
  %a = tile.load %x[%c0, %c0] along [0, 1] other(%one : bf16) : !tile.view<?x?xbf16, align = 16> -> tensor<64x64xbf16>
  %d = tile.dot %a, %a, %zero : tensor<64x64xbf16>, tensor<64x64xbf16> -> tensor<64x64xf32>
  tile.store %d, %y[%c0, %c0] along [0, 1] : tensor<64x64xf32>, !tile.view<?x?xf32, align = 16>
  return
}

// -----

// An accumulator rounded to 16 bits is operand A of the next product as it is (the pattern of attention).
// CHECK-LABEL: func @accumulator_as_operand
func.func @accumulator_as_operand(%q: !tile.view<?x?xbf16, align = 16> {tile.name = "q", tile.dims = ["T", "K"]},
                                  %k: !tile.view<?x?xbf16, align = 16> {tile.name = "k", tile.dims = ["T", "K"]},
                                  %v: !tile.view<?x?xbf16, align = 16> {tile.name = "v", tile.dims = ["T", "V"]},
                                  %o: !tile.view<?x?xf32, align = 16> {tile.name = "o", tile.dims = ["T", "V"]})
    attributes {tile.kernel, tile.grid = affine_map<()[T] -> (T)>, tile.grid_dims = ["T"]} {
  %c0 = arith.constant 0 : index
  %zero = arith.constant dense<0.0> : tensor<64x64xf32>
  %qt = tile.load %q[%c0, %c0] along [0, 1] : !tile.view<?x?xbf16, align = 16> -> tensor<64x64xbf16>
  %kt = tile.load %k[%c0, %c0] along [0, 1] : !tile.view<?x?xbf16, align = 16> -> tensor<64x64xbf16>
  %vt = tile.load %v[%c0, %c0] along [0, 1] : !tile.view<?x?xbf16, align = 16> -> tensor<64x64xbf16>
  %kT = tile.transpose %kt, [1, 0] : tensor<64x64xbf16> -> tensor<64x64xbf16>
  // CHECK-NOT: tile.convert_layout
  // CHECK: %[[scores:.*]] = tile.dot
  // CHECK-NEXT: %[[rounded:.*]] = arith.truncf %[[scores]]
  // CHECK-NEXT: tile.dot %[[rounded]],
  // CHECK-NOT: tile.convert_layout
  // CHECK: return
  %s = tile.dot %qt, %kT, %zero : tensor<64x64xbf16>, tensor<64x64xbf16> -> tensor<64x64xf32>
  %p = arith.truncf %s : tensor<64x64xf32> to tensor<64x64xbf16>
  %d = tile.dot %p, %vt, %zero : tensor<64x64xbf16>, tensor<64x64xbf16> -> tensor<64x64xf32>
  tile.store %d, %o[%c0, %c0] along [0, 1] : tensor<64x64xf32>, !tile.view<?x?xf32, align = 16>
  return
}

// -----

// A state that is carried by a loop as an accumulator and is operand A of a product in it (the pattern of lightning
// attention) is never converted.
// CHECK-LABEL: func @carried_state
func.func @carried_state(%q: !tile.view<?x?xbf16, align = 16> {tile.name = "q", tile.dims = ["T", "K"]},
                         %k: !tile.view<?x?xbf16, align = 16> {tile.name = "k", tile.dims = ["T", "K"]},
                         %v: !tile.view<?x?xbf16, align = 16> {tile.name = "v", tile.dims = ["T", "V"]},
                         %o: !tile.view<?x?xf32, align = 16> {tile.name = "o", tile.dims = ["V", "T"]})
    attributes {tile.kernel, tile.grid = affine_map<()[T] -> (T)>, tile.grid_dims = ["T"]} {
  %c0 = arith.constant 0 : index
  %c64 = arith.constant 64 : index
  %n = tile.dim %q, 0 : !tile.view<?x?xbf16, align = 16>
  %zero = arith.constant dense<0.0> : tensor<64x64xf32>
  // CHECK-NOT: tile.convert_layout
  // CHECK: scf.for {{.*}} iter_args(%[[state:.*]] = %{{.*}}) -> (tensor<64x64xf32, #[[acc:.*]]>)
  %last = scf.for %t = %c0 to %n step %c64 iter_args(%s = %zero) -> (tensor<64x64xf32>) {
    %qt = tile.load %q[%t, %c0] along [0, 1] : !tile.view<?x?xbf16, align = 16> -> tensor<64x64xbf16>
    %kt = tile.load %k[%t, %c0] along [0, 1] : !tile.view<?x?xbf16, align = 16> -> tensor<64x64xbf16>
    %vt = tile.load %v[%t, %c0] along [0, 1] : !tile.view<?x?xbf16, align = 16> -> tensor<64x64xbf16>
    %qT = tile.transpose %qt, [1, 0] : tensor<64x64xbf16> -> tensor<64x64xbf16>
    %vT = tile.transpose %vt, [1, 0] : tensor<64x64xbf16> -> tensor<64x64xbf16>
    // CHECK-NOT: tile.convert_layout
    // CHECK: %[[rounded:.*]] = arith.truncf %[[state]]
    // CHECK-NOT: tile.convert_layout
    // CHECK: tile.dot %[[rounded]], {{.*}} : tensor<64x64xbf16, #[[acc]]>
    // CHECK-NOT: tile.convert_layout
    // CHECK: %[[next:.*]] = tile.dot {{.*}}, %[[state]] : {{.*}} -> tensor<64x64xf32, #[[acc]]>
    // CHECK-NEXT: scf.yield %[[next]]
    %s16 = arith.truncf %s : tensor<64x64xf32> to tensor<64x64xbf16>
    %out = tile.dot %s16, %qT, %zero : tensor<64x64xbf16>, tensor<64x64xbf16> -> tensor<64x64xf32>
    tile.store %out, %o[%c0, %t] along [0, 1] : tensor<64x64xf32>, !tile.view<?x?xf32, align = 16>
    %next = tile.dot %vT, %kt, %s : tensor<64x64xbf16>, tensor<64x64xbf16> -> tensor<64x64xf32>
    scf.yield %next : tensor<64x64xf32>
  }
  // CHECK-NOT: tile.convert_layout
  // CHECK: return
  tile.store %last, %o[%c0, %c0] along [0, 1] : tensor<64x64xf32>, !tile.view<?x?xf32, align = 16>
  return
}

// -----

// Two products into one accumulator share its layout.
// CHECK-LABEL: func @two_products
func.func @two_products(%x: !tile.view<?x?xbf16, align = 16> {tile.name = "x", tile.dims = ["M", "K"]},
                        %y: !tile.view<?x?xf32, align = 16> {tile.name = "y", tile.dims = ["M", "N"]})
    attributes {tile.kernel, tile.grid = affine_map<()[M] -> (M)>, tile.grid_dims = ["M"]} {
  %c0 = arith.constant 0 : index
  %zero = arith.constant dense<0.0> : tensor<64x64xf32>
  %a = tile.load %x[%c0, %c0] along [0, 1] : !tile.view<?x?xbf16, align = 16> -> tensor<64x64xbf16>
  %b = tile.load %x[%c0, %c0] along [0, 1] : !tile.view<?x?xbf16, align = 16> -> tensor<64x32xbf16>
  %c = tile.load %x[%c0, %c0] along [0, 1] : !tile.view<?x?xbf16, align = 16> -> tensor<32x64xbf16>
  // CHECK: %[[first:.*]] = tile.dot {{.*}} -> tensor<64x64xf32, #[[acc:.*]]>
  // CHECK-NEXT: tile.dot %{{.*}}, %{{.*}}, %[[first]] : {{.*}} -> tensor<64x64xf32, #[[acc]]>
  %d = tile.dot %a, %a, %zero : tensor<64x64xbf16>, tensor<64x64xbf16> -> tensor<64x64xf32>
  %e = tile.dot %b, %c, %d : tensor<64x32xbf16>, tensor<32x64xbf16> -> tensor<64x64xf32>
  tile.store %e, %y[%c0, %c0] along [0, 1] : tensor<64x64xf32>, !tile.view<?x?xf32, align = 16>
  return
}

// -----

// An ieee product of f32 reads both operands from shared memory, each copied there; its accumulator is 4 by 4 a thread.
// CHECK-DAG: #[[acc:layout.*]] = #tile.layout<reg = [1, 2, 64, 128, {{.*}}], lane = [4, 8, 16, 256, 512], warp = [{{.*}}]>
// CHECK-LABEL: func @ieee
func.func @ieee(%x: !tile.view<?x?xf32, align = 16> {tile.name = "x", tile.dims = ["M", "K"]},
                %w: !tile.view<?x?xf32, align = 16> {tile.name = "w", tile.dims = ["K", "N"]},
                %y: !tile.view<?x?xf32, align = 16> {tile.name = "y", tile.dims = ["M", "N"]})
    attributes {tile.kernel, tile.grid = affine_map<()[M] -> (M)>, tile.grid_dims = ["M"]} {
  %c0 = arith.constant 0 : index
  %zero = arith.constant dense<0.0> : tensor<64x64xf32>
  %a = tile.load %x[%c0, %c0] along [0, 1] : !tile.view<?x?xf32, align = 16> -> tensor<64x32xf32>
  %b = tile.load %w[%c0, %c0] along [0, 1] : !tile.view<?x?xf32, align = 16> -> tensor<32x64xf32>
  // CHECK-DAG: tile.async_load {{.*}} into %[[a:[0-9]+]] : {{.*}} -> !tile.shared<1 x{{ *}}[64, 32], f32
  // CHECK-DAG: tile.async_load {{.*}} into %[[b:[0-9]+]] : {{.*}} -> !tile.shared<1 x{{ *}}[32, 64], f32
  // CHECK-NOT: tile.local_load
  // CHECK: tile.dot %[[a]], %[[b]], {{.*}} -> tensor<64x64xf32, #[[acc]]>
  %d = tile.dot %a, %b, %zero : tensor<64x32xf32>, tensor<32x64xf32> -> tensor<64x64xf32>
  tile.store %d, %y[%c0, %c0] along [0, 1] : tensor<64x64xf32>, !tile.view<?x?xf32, align = 16>
  return
}

// -----

// An operand of an ieee product that is computed is stored to shared memory first.
// CHECK-LABEL: func @ieee_computed
func.func @ieee_computed(%x: !tile.view<?x?xf32, align = 16> {tile.name = "x", tile.dims = ["M", "K"]},
                         %y: !tile.view<?x?xf32, align = 16> {tile.name = "y", tile.dims = ["M", "N"]})
    attributes {tile.kernel, tile.grid = affine_map<()[M] -> (M)>, tile.grid_dims = ["M"]} {
  %c0 = arith.constant 0 : index
  %zero = arith.constant dense<0.0> : tensor<64x64xf32>
  %t = tile.load %x[%c0, %c0] along [0, 1] : !tile.view<?x?xf32, align = 16> -> tensor<64x64xf32>
  // CHECK: %[[value:.*]] = math.exp2
  // CHECK: tile.local_store %[[value]], %[[slot:.*]] :
  // CHECK: tile.dot %[[slot]], %[[slot]],
  %e = math.exp2 %t : tensor<64x64xf32>
  %d = tile.dot %e, %e, %zero : tensor<64x64xf32>, tensor<64x64xf32> -> tensor<64x64xf32>
  tile.store %d, %y[%c0, %c0] along [0, 1] : tensor<64x64xf32>, !tile.view<?x?xf32, align = 16>
  return
}
