func.func private @f(!tile.shared<1 x [32], f32, #tile.layout<lane = [1, 2, 4, 8, 16]>>)
