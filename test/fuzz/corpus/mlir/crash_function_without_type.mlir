"func.func"() <{sym_name = "k"}> ({}) {tile.kernel, tile.grid = affine_map<() -> (1)>} : () -> ()
