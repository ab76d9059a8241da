func.func private @f(tensor<8xf32, #tile.layout<reg = [-1]>>)
