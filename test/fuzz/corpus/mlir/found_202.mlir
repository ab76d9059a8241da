func.func @f(%a: tensor<16x16xbf16>, %b: tensor<16x16xbf16>, %c: tensor<16x16xf32>) {
  %d = tile.dot %a, %b, %c precision tf32 : tensor<16x16xbf16>, tensor<16x16xbf16> -> tensor<16x16xf32>
  return
}
