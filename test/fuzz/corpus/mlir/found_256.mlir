#map = affine_map<()[s0] -> (s0)>
"builtin.module"() ({
  "func.func"() <{arg_attrs = [{tile.dims = ["M"], tile.name = "x"}], function_type = (!tile.view<?xf32>) -> (), sym_name = "tiny"}> ({
  ^bb0(%arg0: !tile.view<?xf32>):
    %0 = "arith.constant"() <{value = 0 : index}> : () -> index
    %1 = "tile.load"(%arg0, %0) <{along = array<i32: 0>, operandSegmentSizes = array<i32: 1, 1, 0>}> : (!tile.view<?xf32>, index) -> tensor<8xf32>
    "tile.store"(%1, %arg0, %0) <{along = array<i32: 0>}> : (tensor<8xf32>, !tile.view<?xf32>, index) -> ()
    "func.return"() : () -> ()
  }) {tile.grid = #map, tile.grid_dims = ["M"], tile.kernel} : () -> ()
}) : () -> ()
