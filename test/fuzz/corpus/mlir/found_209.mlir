func.func @region_tensor(%x: tensor<8xf32>) {
  %r = tile.scan (%x) along 0 {
  ^bb0(%a: f32, %b: f32):
    %c = arith.addf %x, %x : tensor<8xf32>
    tile.yield %a : f32
  } : (tensor<8xf32>) -> tensor<8xf32>
  return
}
