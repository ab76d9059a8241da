#layout = #tile.layout<reg = [1, 64], lane = [2, 4, 8, 16, 32], warp = []>
#layout1 = #tile.layout<reg = [8, 1], lane = [16, 32, 64, 2, 4], warp = []>
#shared = #tile.layout<offset = [1, 2, 4, 8, 16, 32, 64]>
#shared1 = #tile.layout<offset = [1, 2, 4, 8, 16, 32]>
"builtin.module"() ({
  "func.func"() <{function_type = (tensor<16x8xf32, #layout>) -> tensor<16x8xf32, #layout1>, sym_name = "convert_layout"}> ({
  ^bb0(%arg7: tensor<16x8xf32, #layout>):
    %7 = "tile.convert_layout"(%arg7) : (tensor<16x8xf32, #layout>) -> tensor<16x8xf32, #layout1>
    "func.return"(%7) : (tensor<16x8xf32, #layout1>) -> ()
  }) : () -> ()
  "func.func"() <{function_type = (index) -> (), sym_name = "ring"}> ({
  ^bb0(%arg6: index):
    %5 = "tile.alloc"() : () -> !tile.shared<3 x[16, 8], bf16, #shared>
    %6 = "tile.slot"(%5, %arg6) : (!tile.shared<3 x[16, 8], bf16, #shared>, index) -> !tile.shared<1 x[16, 8], bf16, #shared>
    "func.return"() : () -> ()
  }) : () -> ()
  "func.func"() <{function_type = (!tile.view<?x?xbf16, align = 16>, index, i1) -> (), sym_name = "async"}> ({
  ^bb0(%arg3: !tile.view<?x?xbf16, align = 16>, %arg4: index, %arg5: i1):
    %4 = "tile.alloc"() : () -> !tile.shared<1 x[16, 8], bf16, #shared>
    "tile.async_load"(%arg3, %arg4, %arg4, %4) <{along = array<i32: 0, 1>, operandSegmentSizes = array<i32: 1, 2, 1, 0>}> : (!tile.view<?x?xbf16, align = 16>, index, index, !tile.shared<1 x[16, 8], bf16, #shared>) -> ()
    "tile.async_load"(%arg3, %arg4, %arg4, %4, %arg5) <{along = array<i32: 0, 1>, operandSegmentSizes = array<i32: 1, 2, 1, 1>}> : (!tile.view<?x?xbf16, align = 16>, index, index, !tile.shared<1 x[16, 8], bf16, #shared>, i1) -> ()
    "tile.async_commit"() : () -> ()
    "tile.async_wait"() <{pending = 2 : i32}> : () -> ()
    "tile.barrier"() : () -> ()
    "func.return"() : () -> ()
  }) : () -> ()
  "func.func"() <{function_type = (tensor<16x8xf32, #layout>) -> tensor<16x8xf32, #layout1>, sym_name = "local"}> ({
  ^bb0(%arg2: tensor<16x8xf32, #layout>):
    %2 = "tile.alloc"() : () -> !tile.shared<1 x[16, 8], f32, #shared>
    "tile.local_store"(%arg2, %2) : (tensor<16x8xf32, #layout>, !tile.shared<1 x[16, 8], f32, #shared>) -> ()
    %3 = "tile.local_load"(%2) : (!tile.shared<1 x[16, 8], f32, #shared>) -> tensor<16x8xf32, #layout1>
    "func.return"(%3) : (tensor<16x8xf32, #layout1>) -> ()
  }) : () -> ()
  "func.func"() <{function_type = (tensor<16x8xf32, #layout>, !tile.shared<1 x[16, 8], f32, #shared>) -> tensor<16x8xf32, #layout>, sym_name = "dot_from_shared"}> ({
  ^bb0(%arg0: tensor<16x8xf32, #layout>, %arg1: !tile.shared<1 x[16, 8], f32, #shared>):
    %0 = "tile.alloc"() : () -> !tile.shared<1 x[8, 8], f32, #shared1>
    %1 = "tile.dot"(%arg1, %0, %arg0) <{precision = #tile<precision ieee>}> : (!tile.shared<1 x[16, 8], f32, #shared>, !tile.shared<1 x[8, 8], f32, #shared1>, tensor<16x8xf32, #layout>) -> tensor<16x8xf32, #layout>
    "func.return"(%1) : (tensor<16x8xf32, #layout>) -> ()
  }) : () -> ()
}) : () -> ()
