func.func private @declaration() attributes {tile.kernel, tile.grid = affine_map<() -> (1)>}
