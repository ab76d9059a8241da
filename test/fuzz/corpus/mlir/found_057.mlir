func.func private @f(tensor<, #tile.layout<thread = []>>)
