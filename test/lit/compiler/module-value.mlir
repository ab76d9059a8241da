// An operation in a module, outside of functions.
// RUN: not treadlec %s --emit=tile 2>&1 | FileCheck %s
// CHECK: module-value.mlir:5:3: error: expected functions at the top level of a program, found a value
module @m attributes {test.of = "this"} {
  %c = arith.constant 1 : i32
}
