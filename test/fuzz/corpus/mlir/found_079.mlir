func.func  @f(!tile.shared<1 x [4], i1, #tile.layout<offset = [1, 2]>>)
