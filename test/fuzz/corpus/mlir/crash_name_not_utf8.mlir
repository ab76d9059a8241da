func.func @k(%x: !tile.view<?xf32> {tile.name = "x", tile.dims = ["\FF"]}) attributes {tile.kernel, tile.grid = affine_map<() -> (1)>} { return }
