func.func private @f(tensor<4xf32, #tile.layout<reg = [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]>(
