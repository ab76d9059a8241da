func.func private @f(!tile.view<?xi1>
