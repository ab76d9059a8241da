func.func private @f(!tile.shared<0 x [4], f32, <offset = [1, 2]>>)
