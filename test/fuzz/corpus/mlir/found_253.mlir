func.func @rings(%x: tensor<8xf32, #tile.layout<reg = [], lane = [1, 2, 4, 0, 0], warp = []>>) {
  %a = tile.alloc : !tile.shared<1 x [8], f32, #tile.layout<offset = [1, 2, 4]>>
  %b = tile.alloc : !tile.shared<1 x [8], f32, #tile.layout<offset = [1, 2, 4]>>
  tile.local_store %x, %a : tensor<8xf32, #tile.layout<reg = [], lane = [1, 2, 4, 0, 0], warp = []>>, !tile.shared<1 x [8], f32, #tile.layout<offset = [1, 2, 4]>>
  tile.local_store %x, %b : tensor<8xf32, #tile.layout<reg = [], lane = [1, 2, 4, 0, 0], warp = []>>, !tile.shared<1 x [8], f32, #tile.layout<offset = [1, 2, 4]>>
  return
}
