#map = affine_map<()[s0] -> (s0)>
"builtin.module"() ({
  "func.func"() <{arg_attrs = [{tile.dims = ["M", "N"], tile.name = "x"}, {tile.dims = ["M", "N"], tile.name = "y"}], function_type = (!tile.view<?x?xi32, align = 16>, !tile.view<?x?xi32, strides = [1, ?], align = 16>) -> (), sym_name = "iota_twice"}> ({
  ^bb0(%arg0: !tile.view<?x?xi32, align = 16>, %arg1: !tile.view<?x?xi32, strides = [1, ?], align = 16>):
    %0 = "arith.constant"() <{value = 0 : index}> : () -> index
    %1 = "tile.iota"() : () -> tensor<64xi32>
    %2 = "tile.expand_dims"(%1) <{axis = 0 : i32}> : (tensor<64xi32>) -> tensor<1x64xi32>
    %3 = "tile.broadcast"(%2) : (tensor<1x64xi32>) -> tensor<64x64xi32>
    "tile.store"(%3, %arg0, %0, %0) <{along = array<i32: 0, 1>}> : (tensor<64x64xi32>, !tile.view<?x?xi32, align = 16>, index, index) -> ()
    "tile.store"(%3, %arg1, %0, %0) <{along = array<i32: 0, 1>}> : (tensor<64x64xi32>, !tile.view<?x?xi32, strides = [1, ?], align = 16>, index, index) -> ()
    "func.return"() : () -> ()
  }) {tile.grid = #map, tile.grid_dims = ["M"], tile.kernel} : () -> ()
}) : () -> ()
