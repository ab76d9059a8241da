func.func @rings(%x: tensor<8xf32, #tile.layout<reg = [], lane = [0, 0x7FC00000], warp = []>>f32, #tile.layout<offset urn
}
