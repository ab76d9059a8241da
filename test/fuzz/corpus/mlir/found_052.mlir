func.func private @f(!tile.view<?xf32, max_bytes = 0>)
