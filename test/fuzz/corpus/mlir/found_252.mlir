"builtin.module"() ({
  "func.func"() <{function_type = (!tile.view<8xf32>, index) -> (tensor<8xf32>, tensor<8xf32>), sym_name = "loads"}> ({
  ^bb0(%arg0: !tile.view<8xf32>, %arg1: index):
    %0 = "tile.load"(%arg0, %arg1) <{along = array<i32: 0>, operandSegmentSizes = array<i32: 1, 1, 0>}> : (!tile.view<8xf32>, index) -> tensor<8xf32>
    %1 = "tile.load"(%arg0, %arg1) <{along = array<i32: 0>, operandSegmentSizes = array<i32: 1, 1, 0>}> : (!tile.view<8xf32>, index) -> tensor<8xf32>
    "func.return"(%0, %1) : (tensor<8xf32>, tensor<8xf32>) -> ()
  }) : () -> ()
}) : () -> ()
