// The ring's depth is tile.num_stages: that many slots, one fewer copies in front of the loop, and a wait that leaves all
// but the oldest in flight.
// RUN: sed s/STAGES/1/ %s | treadle-opt --tile-assign-layouts --tile-pipeline | FileCheck %s --check-prefix=ONE
// RUN: sed s/STAGES/2/ %s | treadle-opt --tile-assign-layouts --tile-pipeline | FileCheck %s --check-prefixes=RING,TWO -DSLOTS=2
// RUN: sed s/STAGES/3/ %s | treadle-opt --tile-assign-layouts --tile-pipeline | FileCheck %s --check-prefixes=RING,THREE -DSLOTS=3
// RUN: sed s/STAGES/4/ %s | treadle-opt --tile-assign-layouts --tile-pipeline | FileCheck %s --check-prefixes=RING,FOUR -DSLOTS=4
// RUN: sed 's/tile.num_stages = STAGES : i32, //' %s | treadle-opt --tile-assign-layouts --tile-pipeline | FileCheck %s --check-prefixes=RING,TWO -DSLOTS=2

// One stage: no ring, nothing runs ahead; the copy is waited for where it was.
// ONE: tile.alloc : !tile.shared<1 x
// ONE-NOT: tile.async_load
// ONE: scf.for
// ONE: tile.barrier
// ONE: tile.async_load
// ONE-NEXT: tile.async_commit
// ONE-NEXT: tile.async_wait 0
// ONE: tile.dot
// ONE: scf.yield

// RING: %[[ring:.*]] = tile.alloc : !tile.shared<[[SLOTS]] x
// TWO-COUNT-1: tile.async_commit
// THREE-COUNT-2: tile.async_commit
// FOUR-COUNT-3: tile.async_commit
// RING-NOT: tile.async_commit
// RING: scf.for
// TWO-NEXT: tile.async_wait 0
// THREE-NEXT: tile.async_wait 1
// FOUR-NEXT: tile.async_wait 2
// RING: tile.async_load
// RING-NEXT: tile.async_commit
// RING-NOT: tile.async_wait
// RING: tile.dot
// RING: scf.yield
// RING: }
// RING-NEXT: tile.async_wait 0
func.func @ring(%x: !tile.view<?x?xbf16, align = 16> {tile.name = "x", tile.dims = ["M", "K"]},
                %y: !tile.view<?x?xf32, align = 16> {tile.name = "y", tile.dims = ["M", "N"]})
    attributes {tile.kernel, tile.num_stages = STAGES : i32, tile.grid = affine_map<()[M] -> (M)>, tile.grid_dims = ["M"]} {
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
