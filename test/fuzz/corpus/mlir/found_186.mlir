func.func @convert_element(%t: tensor<4xf32>) {
  }
    %15 = "tile.dot"(%14, %14, %14) <{precision = #tile<precision tfO32x3>}> : (tensor<32x32xf32>, tensor<32x32xf32>, tef32>
