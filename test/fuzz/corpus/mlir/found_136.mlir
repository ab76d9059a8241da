func.func private @f(tensor<8xf32, #tile.layout<reg = [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 1,1, 1, 1, 1, 1, 1, 1,1,  1, 1]>>)
