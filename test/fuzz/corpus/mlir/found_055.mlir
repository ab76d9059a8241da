func.func private @f(!tile.view<?x?xf32, strides = [1]>)
