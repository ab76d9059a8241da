// An operation outside of functions.
// RUN: not treadlec %s --emit=tile 2>&1 | FileCheck %s
// CHECK: top-level-value.mlir:4:1: error: expected functions at the top level of a program, found a value
%c = arith.constant 1 : i32
