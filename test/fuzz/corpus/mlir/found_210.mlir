func.func @rings(%x: tensor<8xf32, #tile.layout<reg = [], lane = [1, 2, 4, 0, 0], warp = []>>) {
  %a = tile.alloc : !tile.shared<0 x [8], f32, #tile.layout<offset = [2, 2, 4]>>
" %b = tile.alloc : !tile.shared<1 x [8], f32