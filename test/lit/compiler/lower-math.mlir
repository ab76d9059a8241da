// RUN: treadle-opt %s --treadle-lower-math -split-input-file | FileCheck %s

// Precise: the rounding of the product is put back; the bounds keep infinities out of it.
// CHECK-LABEL: @exp
// CHECK: arith.maximumf
// CHECK: arith.minimumf
// CHECK: %[[T:.*]] = arith.mulf
// CHECK: math.fma
// CHECK: math.fma
// CHECK: math.exp2 %[[T]]
// CHECK: math.fma
// CHECK: arith.mulf
// CHECK-NOT: math.exp %
func.func @exp(%x: f32) -> f32 {
  %y = math.exp %x : f32
  return %y : f32
}

// -----

// CHECK-LABEL: @exp_fast
// CHECK: %[[T:.*]] = arith.mulf
// CHECK-NEXT: %[[Y:.*]] = llvm.call_intrinsic "llvm.nvvm.ex2.approx.ftz"(%[[T]])
// CHECK-NEXT: return %[[Y]]
func.func @exp_fast(%x: f32) -> f32 {
  %y = math.exp %x fastmath<afn> : f32
  return %y : f32
}

// -----

// CHECK-LABEL: @logarithms
// CHECK-NOT: math.log
// CHECK: llvm.call_intrinsic "llvm.nvvm.lg2.approx.f"(%{{.*}}) : (f32) -> f32
// CHECK-NOT: math.log
func.func @logarithms(%x: f32) -> (f32, f32, f32, f32, f32) {
  %a = math.log %x : f32
  %b = math.log2 %x : f32
  %c = math.log1p %x : f32
  %d = math.log10 %x : f32
  %e = math.log2 %x fastmath<afn> : f32
  return %a, %b, %c, %d, %e : f32, f32, f32, f32, f32
}

// -----

// Halves are computed in f32.
// CHECK-LABEL: @half
// CHECK: %[[W:.*]] = arith.extf %{{.*}} : bf16 to f32
// CHECK: %[[Y:.*]] = math.sqrt %[[W]] : f32
// CHECK: arith.truncf %[[Y]] : f32 to bf16
func.func @half(%x: bf16) -> bf16 {
  %y = math.sqrt %x : bf16
  return %y : bf16
}

// -----

// The chip has these.
// CHECK-LABEL: @native
// CHECK: math.exp2 %
// CHECK: math.sqrt %
// CHECK: math.absf %
// CHECK: math.floor %
// CHECK: math.fma %
// CHECK: math.sin %{{.*}} fastmath<afn>
func.func @native(%x: f32) -> (f32, f32, f32, f32, f32, f32) {
  %a = math.exp2 %x : f32
  %b = math.sqrt %x : f32
  %c = math.absf %x : f32
  %d = math.floor %x : f32
  %e = math.fma %x, %x, %x : f32
  %f = math.sin %x fastmath<afn> : f32
  return %a, %b, %c, %d, %e, %f : f32, f32, f32, f32, f32, f32
}
