func.func @convert_element(%t: tensor<4xf32>) {
  %u = tile.convert_layout %t : tensor<4xf32> -> tensor<4xbf16>
}
