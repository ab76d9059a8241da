// RUN: treadle-opt %s -tile-lower-to-cpu | FileCheck %s

// Elements out of bounds are computed with too: no divisor may stop the process.

// CHECK-LABEL: func.func @divide
// CHECK: %[[ZERO:.*]] = arith.cmpi eq, %[[Y:.*]], %{{.*}} : vector<16xi32>
// CHECK: %[[BAD:.*]] = arith.ori %[[ZERO]], %{{.*}}
// CHECK: %[[SAFE:.*]] = arith.select %[[BAD]], %{{.*}}, %[[Y]]
// CHECK: arith.divsi %{{.*}}, %[[SAFE]] : vector<16xi32>
func.func @divide(%x: !tile.view<16xi32> {tile.name = "x", tile.dims = [16]}, %y: !tile.view<16xi32> {tile.name = "y", tile.dims = [16]})
    attributes {tile.kernel, tile.grid = affine_map<() -> (1)>} {
  %c0 = arith.constant 0 : index
  %t = tile.load %x[%c0] along [0] : !tile.view<16xi32> -> tensor<16xi32>
  %u = tile.load %y[%c0] along [0] : !tile.view<16xi32> -> tensor<16xi32>
  %q = arith.divsi %t, %u : tensor<16xi32>
  tile.store %q, %x[%c0] along [0] : tensor<16xi32>, !tile.view<16xi32>
  return
}
