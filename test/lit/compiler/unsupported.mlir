// What the GPU has no lowering for is an error at its line.
// RUN: not treadlec %s --from=gpu --emit=llvm 2>&1 | FileCheck %s
// CHECK: unsupported.mlir:[[#@LINE+2]]:{{[0-9]+}}: error: 'math.exp' of f64 is not available on the GPU; compute it in f32
llvm.func @f(%x: f64) -> f64 {
  %y = math.exp %x : f64
  llvm.return %y : f64
}
