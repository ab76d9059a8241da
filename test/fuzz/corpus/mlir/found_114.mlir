func.func @rings(%x: tensor<8xf32, #tile.layout<reg = [], lane = [5, 2, 4, 0, 0], warp = []>>{ )
  tensor
}
