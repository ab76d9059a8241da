"func.func"() <{sym_name = "k", function_type = (i32, i32) -> (), arg_attrs = [{tile.name = "a"}]}> ({
^bb0(%a: i32, %b: i32):
  "func.return"() : () -> ()
}) {tile.kernel, tile.grid = affine_map<() -> (1)>} : () -> ()
