"builtin.module"() ({
  "func.func"() <{function_type = (tensor<8x8xf32>) -> (tensor<8x8xf32>, tensor<8x8xf32>), sym_name = "precision"}> ({
  ^bb0(%arg0: tensor<8x8xf32>):
    %0 = "tile.dot"(%arg0, %arg0, %arg0) <{precision = #tile<precision ieee>}> : (tensor<8x8xf32>, tensor<8x8xf32>, tensor<8x8xf32>) -> tensor<8x8xf32>
    %1 = "tile.dot"(%arg0, %arg0, %arg0) <{precision = #tile<precision tf32>}> : (tensor<8x8xf32>, tensor<8x8xf32>, tensor<8x8xf32>) -> tensor<8x8xf32>
    "func.return"(%0, %1) : (tensor<8x8xf32>, tensor<8x8xf32>) -> ()
  }) : () -> ()
}) : () -> ()
