func.func private @f(tensor<4x64xf32, #tile.layout<reg = [1000000], lane = [], warp = []>>
