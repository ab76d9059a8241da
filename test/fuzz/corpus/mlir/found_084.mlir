func.func private @f(!tile.shared<1 x [3, -5], f32, #tile.layout<offset = [1, 2]>>
