func.func private @f(!tile.view<?xf32, align = 2>
