func.func @scan(%x: !tile.view<64xf32> {tile.name = "x", tile.dims = [64]})
    attributes {tile.kernel, tile.grid = affine_map<() -> (1)>} {
  %c0 = arith.constant 0 : index
  %t = tile.load %x[%c0] along [0] : !tile.view<64xf32> -> tensor<64xf32>
  %s = tile.scan (%t) along 0 reverse { ^bb0(%a: f32, %b: f32):
    %c = arith.addf %a, %b : f32
    tile.yield %c : f32 } : (tensor<64xf32>) -> (tensor<64xf32>)
  tile.store %s, %x[%c0] along [0] : tensor<64xf32>, !tile.view<64xf32>
  return
}
