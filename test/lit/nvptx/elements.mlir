// RUN: treadlec %s --emit=gpu | FileCheck %s
// RUN: treadlec %s --emit=ptx --arch=sm_80 | FileCheck %s --check-prefix=PTX
// RUN: treadlec %s --emit=ptx --arch=sm_90a | FileCheck %s --check-prefix=PTX

// Bytes: sixteen to a vector where aligned.
// CHECK-LABEL: llvm.func @i8
// CHECK: ld.global.v4.b32
// CHECK: st.global.v4.b32
// PTX-LABEL: .entry i8(
// PTX: ld.global.v4.b32
func.func @i8(%x: !tile.view<?xi8, align = 16> {tile.name = "i8_x", tile.dims = ["M"]})
    attributes {tile.kernel, tile.grid = affine_map<()[M] -> (M)>, tile.grid_dims = ["M"]} {
  %c0 = arith.constant 0 : index
  %t = tile.load %x[%c0] along [0] : !tile.view<?xi8, align = 16> -> tensor<2048xi8>
  %u = arith.addi %t, %t : tensor<2048xi8>
  tile.store %u, %x[%c0] along [0] : tensor<2048xi8>, !tile.view<?xi8, align = 16>
  return
}

// Single bytes travel in 16-bit registers.
// CHECK-LABEL: llvm.func @i8_single
// CHECK: "@$2 ld.global.b8 $0, [$1];", "=h,l,b,0"
// CHECK: "@$1 st.global.b8 [$0], $2;", "l,b,h"
// PTX-LABEL: .entry i8_single(
// PTX: ld.global.b8
// PTX: st.global.b8
func.func @i8_single(%x: !tile.view<?xi8> {tile.name = "i8_single_x", tile.dims = ["M"]})
    attributes {tile.kernel, tile.grid = affine_map<()[M] -> (M)>, tile.grid_dims = ["M"]} {
  %c0 = arith.constant 0 : index
  %t = tile.load %x[%c0] along [0] : !tile.view<?xi8> -> tensor<128xi8>
  tile.store %t, %x[%c0] along [0] : tensor<128xi8>, !tile.view<?xi8>
  return
}

// Single 16-bit integers.
// CHECK-LABEL: llvm.func @i16
// CHECK: "@$2 ld.global.b16 $0, [$1];", "=h,l,b,0"
// CHECK: "@$1 st.global.b16 [$0], $2;", "l,b,h"
// PTX-LABEL: .entry i16(
// PTX: ld.global.b16
func.func @i16(%x: !tile.view<?xi16> {tile.name = "i16_x", tile.dims = ["M"]})
    attributes {tile.kernel, tile.grid = affine_map<()[M] -> (M)>, tile.grid_dims = ["M"]} {
  %c0 = arith.constant 0 : index
  %t = tile.load %x[%c0] along [0] : !tile.view<?xi16> -> tensor<128xi16>
  tile.store %t, %x[%c0] along [0] : tensor<128xi16>, !tile.view<?xi16>
  return
}

// A 64-bit integer is two words.
// CHECK-LABEL: llvm.func @i64
// CHECK: ld.global.v2.b32
// CHECK: arith.shli
// CHECK: arith.ori
// CHECK: st.global.v2.b32
// PTX-LABEL: .entry i64(
// PTX: ld.global.v2.b32
// PTX: add.s64
// PTX: st.global.v2.b32
func.func @i64(%x: !tile.view<?xi64> {tile.name = "i64_x", tile.dims = ["M"]})
    attributes {tile.kernel, tile.grid = affine_map<()[M] -> (M)>, tile.grid_dims = ["M"]} {
  %c0 = arith.constant 0 : index
  %t = tile.load %x[%c0] along [0] : !tile.view<?xi64> -> tensor<128xi64>
  %u = arith.addi %t, %t : tensor<128xi64>
  tile.store %u, %x[%c0] along [0] : tensor<128xi64>, !tile.view<?xi64>
  return
}

// Two 64-bit integers fill a vector where aligned.
// CHECK-LABEL: llvm.func @i64_aligned
// CHECK: ld.global.v4.b32
// CHECK: st.global.v4.b32
func.func @i64_aligned(%x: !tile.view<?xi64, align = 16> {tile.name = "i64_aligned_x", tile.dims = ["M"]})
    attributes {tile.kernel, tile.grid = affine_map<()[M] -> (M)>, tile.grid_dims = ["M"]} {
  %c0 = arith.constant 0 : index
  %t = tile.load %x[%c0] along [0] : !tile.view<?xi64, align = 16> -> tensor<512xi64>
  tile.store %t, %x[%c0] along [0] : tensor<512xi64>, !tile.view<?xi64, align = 16>
  return
}

// f16 is eight to a vector, and pairs of f32 are rounded to it by one instruction.
// CHECK-LABEL: llvm.func @f16
// CHECK: ld.global.v4.b32
// CHECK: arith.truncf {{.*}} : vector<2xf32> to vector<2xf16>
// CHECK: st.global.v4.b32
// PTX-LABEL: .entry f16(
// PTX: cvt.rn.f16x2.f32
func.func @f16(%x: !tile.view<?xf16, align = 16> {tile.name = "f16_x", tile.dims = ["M"]})
    attributes {tile.kernel, tile.grid = affine_map<()[M] -> (M)>, tile.grid_dims = ["M"]} {
  %c0 = arith.constant 0 : index
  %t = tile.load %x[%c0] along [0] : !tile.view<?xf16, align = 16> -> tensor<1024xf16>
  %f = arith.extf %t : tensor<1024xf16> to tensor<1024xf32>
  %g = arith.mulf %f, %f : tensor<1024xf32>
  %o = arith.truncf %g : tensor<1024xf32> to tensor<1024xf16>
  tile.store %o, %x[%c0] along [0] : tensor<1024xf16>, !tile.view<?xf16, align = 16>
  return
}

// bf16 likewise.
// CHECK-LABEL: llvm.func @bf16
// CHECK: arith.truncf {{.*}} : vector<2xf32> to vector<2xbf16>
// PTX-LABEL: .entry bf16(
// PTX: cvt.rn.bf16x2.f32
func.func @bf16(%x: !tile.view<?xbf16, align = 16> {tile.name = "bf16_x", tile.dims = ["M"]})
    attributes {tile.kernel, tile.grid = affine_map<()[M] -> (M)>, tile.grid_dims = ["M"]} {
  %c0 = arith.constant 0 : index
  %t = tile.load %x[%c0] along [0] : !tile.view<?xbf16, align = 16> -> tensor<1024xbf16>
  %f = arith.extf %t : tensor<1024xbf16> to tensor<1024xf32>
  %g = arith.mulf %f, %f : tensor<1024xf32>
  %o = arith.truncf %g : tensor<1024xf32> to tensor<1024xbf16>
  tile.store %o, %x[%c0] along [0] : tensor<1024xbf16>, !tile.view<?xbf16, align = 16>
  return
}

// Truth values are bytes in shared memory and shuffles: `any` along an axis that several warps share.
// CHECK-LABEL: llvm.func @i1
// CHECK: llvm.store %{{.*}}, %{{.*}} {alignment = 1 : i64} : i8, !llvm.ptr<3>
// CHECK: nvvm.barrier0
// CHECK: llvm.load %{{.*}} {alignment = 1 : i64} : !llvm.ptr<3> -> i8
// PTX-LABEL: .entry i1(
func.func @i1(%x: !tile.view<?xf32> {tile.name = "i1_x", tile.dims = ["M"]}, %y: !tile.view<?xi8> {tile.name = "i1_y", tile.dims = ["M"]})
    attributes {tile.kernel, tile.grid = affine_map<()[M] -> (M)>, tile.grid_dims = ["M"]} {
  %c0 = arith.constant 0 : index
  %zero = arith.constant dense<0.0> : tensor<128xf32>
  %t = tile.load %x[%c0] along [0] : !tile.view<?xf32> -> tensor<128xf32>
  %p = arith.cmpf ogt, %t, %zero : tensor<128xf32>
  %any = tile.reduce (%p) along 0 {
  ^bb0(%a: i1, %b: i1):
    %c = arith.ori %a, %b : i1
    tile.yield %c : i1
  } : (tensor<128xi1>) -> i1
  %v = arith.extui %any : i1 to i8
  tile.store %v, %y[%c0] along [] : i8, !tile.view<?xi8>
  return
}
