"builtin.module"() ({
  "func.func"() <{function_type = (tensor<4x8xf32>) -> (tensor<4x8xf32>, tensor<2x8xf32>, tensor<1x8xf32>), sym_name = "blocks"}> ({
  ^bb0(%arg0: tensor<4x8xf32>):
    %0 = "arith.constant"() <{value = dense<2.000000e+00> : tensor<4x8xf32>}> : () -> tensor<4x8xf32>
    %1 = "tile.extract"(%arg0) <{offsets = array<i32: 0, 0>}> : (tensor<4x8xf32>) -> tensor<4x8xf32>
    %2 = "tile.extract"(%0) <{offsets = array<i32: 2, 0>}> : (tensor<4x8xf32>) -> tensor<2x8xf32>
    %3 = "tile.extract"(%arg0) <{offsets = array<i32: 3, 0>}> : (tensor<4x8xf32>) -> tensor<1x8xf32>
    "func.return"(%1, %2, %3) : (tensor<4x8xf32>, tensor<2x8xf32>, tensor<1x8xf32>) -> ()
  }) : () -> ()
}) : () -> ()
