  %b = tile.alloc : !tile.shared<1 x [8], f32, #tile.layout<offset = [1, 6, 4]>>
re32, #tile.layout<reg = []ÿ>
}
