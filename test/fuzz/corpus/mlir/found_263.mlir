#map = affine_map<()[s0] -> (s0)>
"builtin.module"() ({
  "func.func"() <{arg_attrs = [{tile.dims = ["M"], tile.name = "x"}], function_type = (!tile.view<?xf32, align = 16>) -> (), sym_name = "scalar"}> ({
  ^bb0(%arg0: !tile.view<?xf32, align = 16>):
    %0 = "arith.constant"() <{value = 0 : index}> : () -> index
    %1 = "tile.load"(%arg0, %0) <{along = array<i32: 0>, operandSegmentSizes = array<i32: 1, 1, 0>}> : (!tile.view<?xf32, align = 16>, index) -> tensor<1024xf32>
    %2 = "tile.reduce"(%1) <{axis = 0 : i32}> ({
    ^bb0(%arg1: f32, %arg2: f32):
      %3 = "arith.addf"(%arg1, %arg2) <{fastmath = #arith.fastmath<none>}> : (f32, f32) -> f32
      "tile.yield"(%3) : (f32) -> ()
    }) : (tensor<1024xf32>) -> f32
    "tile.store"(%2, %arg0, %0) <{along = array<i32>}> : (f32, !tile.view<?xf32, align = 16>, index) -> ()
    "func.return"() : () -> ()
  }) {tile.grid = #map, tile.grid_dims = ["M"], tile.kernel} : () -> ()
}) : () -> ()
