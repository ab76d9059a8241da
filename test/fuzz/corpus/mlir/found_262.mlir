#map = affine_map<() -> (1)>
"builtin.module"() ({
  "func.func"() <{arg_attrs = [{tile.dims = [64], tile.name = "x"}], function_type = (!tile.view<64xf32>) -> (), sym_name = "scan"}> ({
  ^bb0(%arg0: !tile.view<64xf32>):
    %0 = "arith.constant"() <{value = 0 : index}> : () -> index
    %1 = "tile.load"(%arg0, %0) <{along = array<i32: 0>, operandSegmentSizes = array<i32: 1, 1, 0>}> : (!tile.view<64xf32>, index) -> tensor<64xf32>
    %2 = "tile.scan"(%1) <{axis = 0 : i32, reverse}> ({
    ^bb0(%arg1: f32, %arg2: f32):
      %3 = "arith.addf"(%arg1, %arg2) <{fastmath = #arith.fastmath<none>}> : (f32, f32) -> f32
      "tile.yield"(%3) : (f32) -> ()
    }) : (tensor<64xf32>) -> tensor<64xf32>
    "tile.store"(%2, %arg0, %0) <{along = array<i32: 0>}> : (tensor<64xf32>, !tile.view<64xf32>, index) -> ()
    "func.return"() : () -> ()
  }) {tile.grid = #map, tile.kernel} : () -> ()
}) : () -> ()
