func.func @swap(%x: !tile.view<2x16xf32> {tile.name = "x", tile.dims = [2, 16]}, %n: index {tile.name = "n"}, %f: f32 {tile.name = "f"})
    attributes {tile.kernel, tile.grid = affine_map<() -> (1)>} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %p = tile.load %x[%c0, %c0] along [1] : !tile.view<2x16xf32> -> tensor<16xf32>
  %q = tile.load %x[%c1, %c0] along [1] : !tile.view<2x16xf32> -> tensor<16xf32>
  %a, %b, %s = scf.for %i = %c0 to %n step %c1 iter_args(%u = %p, %v = %q, %t = %f) -> (tensor<16xf32>, tensor<16xf32>, f32) {
    %w = arith.addf %t, %t : f32
    scf.yield %v, %u, %w : tensor<16xf32>, tensor<16xf32>, f32
  }
  tile.store %a, %x[%c0, %c0] along [1] : tensor<16xf32>, !tile.view<2x16xf32>
  tile.store %s, %x[%c1, %c1] along [] : f32, !tile.view<2x16xf32>
  return
}
