func.func private @f(tensor<?xf32, #tile.layout<reg = [], lane = [1, 2, 4, 8, 16], warp = []>>)
