func.func private @f(!tile.view<?xf32>)
