"builtin.module"() ({
  "func.func"() <{function_type = (!tile.view<?x64xf32>) -> index, sym_name = "static_dim"}> ({
  ^bb0(%arg0: !tile.view<?x64xf32>):
    %0 = "tile.dim"(%arg0) <{axis = 1 : i32}> : (!tile.view<?x64xf32>) -> index
    "func.return"(%0) : (index) -> ()
  }) : () -> ()
}) : () -> ()
