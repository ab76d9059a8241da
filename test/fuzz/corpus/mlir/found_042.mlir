func.func  @f(!tile.view<?xf32, alignment = 4>)
