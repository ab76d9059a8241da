// Every function of `math` that a kernel can name becomes PTX, and no call is left.
// RUN: treadlec %s --from=gpu --emit=ptx | FileCheck %s
// CHECK: .visible .entry functions
// CHECK-NOT: call
// CHECK: ret;
llvm.func @functions(%p: !llvm.ptr<1>) attributes {nvvm.kernel} {
  %x = llvm.load %p : !llvm.ptr<1> -> f32
  %a0 = math.exp %x : f32
  %a1 = math.exp2 %a0 : f32
  %a2 = math.log %a1 : f32
  %a3 = math.log2 %a2 : f32
  %a4 = math.log1p %a3 : f32
  %a5 = math.log10 %a4 : f32
  %a6 = math.sin %a5 : f32
  %a7 = math.cos %a6 : f32
  %a8 = math.tan %a7 : f32
  %a9 = math.tanh %a8 : f32
  %b0 = math.erf %a9 : f32
  %b1 = math.erfc %b0 : f32
  %b2 = math.sqrt %b1 : f32
  %b3 = math.rsqrt %b2 : f32
  %b4 = math.atan %b3 : f32
  %b5 = math.atan2 %b4, %x : f32
  %b6 = math.asin %b5 : f32
  %b7 = math.acos %b6 : f32
  %b8 = math.cbrt %b7 : f32
  %b9 = math.expm1 %b8 : f32
  %c0 = math.sinh %b9 : f32
  %c1 = math.cosh %c0 : f32
  %c2 = math.asinh %c1 : f32
  %c3 = math.acosh %c2 : f32
  %c4 = math.atanh %c3 : f32
  %c5 = math.powf %c4, %x : f32
  %c6 = math.absf %c5 : f32
  %c7 = math.floor %c6 : f32
  %c8 = math.ceil %c7 : f32
  %c9 = math.round %c8 : f32
  %d0 = math.roundeven %c9 : f32
  %d1 = math.trunc %d0 : f32
  %d2 = math.copysign %d1, %x : f32
  %d3 = math.fma %d2, %d2, %x : f32
  %d4 = arith.maximumf %d3, %x : f32
  %d5 = arith.minnumf %d4, %x : f32
  %d6 = arith.remf %d5, %x : f32
  %e0 = math.exp %x fastmath<afn> : f32
  %e1 = math.log %e0 fastmath<afn> : f32
  %e2 = math.sin %e1 fastmath<afn> : f32
  %e3 = math.cos %e2 fastmath<afn> : f32
  %e4 = math.tanh %e3 fastmath<afn> : f32
  %e5 = math.sqrt %e4 fastmath<afn> : f32
  %s = arith.addf %d6, %e5 : f32
  llvm.store %s, %p : f32, !llvm.ptr<1>
  llvm.return
}
