// What LLVM's back end ends the process for is an error with a reproducer, which fails in the same way.
// RUN: rm -rf %t && mkdir -p %t
// RUN: env TMPDIR=%t not treadlec %s --from=gpu --emit=ptx 2>&1 | FileCheck %s
// RUN: FileCheck %s --check-prefix=REPRO < %t/treadle-reproducer-*.ll
// RUN: not treadlec %t/treadle-reproducer-*.ll --from=llvmir --emit=ptx 2>&1 | FileCheck %s
// CHECK: treadlec: error: code generation failed: {{.*}}annot select
// CHECK: a reproducer was written to {{.*}}treadle-reproducer-{{.*}}.ll
// CHECK-NOT: Traceback

// REPRO: ; treadlec --from=llvmir --emit=ptx --arch=sm_90a {{.*}}.ll
// REPRO: define {{.*}} @bad
llvm.func @bad(%p: !llvm.ptr) attributes {nvvm.kernel} {
  %x = llvm.load %p : !llvm.ptr -> f32
  %y = llvm.intr.sin(%x) : (f32) -> f32
  llvm.store %y, %p : f32, !llvm.ptr
  llvm.return
}
