func.func private @f(tensor<4xf32, #tile.layout<offset = [1, 2]>)
