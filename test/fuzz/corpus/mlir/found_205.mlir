"builtin.module"() ({
}) : () -> ()
    %0 = "tile.program_id"() <{axis = 0 : i32}> : () -> index
    %1 = "func.call"(%arg0) <{callee = @rows}> : (!tile.view<?xf32>) -> index
     ): () -> ()
}) : () -> ()
