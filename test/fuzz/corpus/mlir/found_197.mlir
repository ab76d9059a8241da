func.func @rings(%x: tensor<8xf32, #tile.layout<reg = [], lane = [1, 2, 4, 5, 0], warp = [1]>>) {
  %a = tile.alloc : !tile.shared<1 x [8], f321, #tilet = 1.0 : f32= [1, 2, 4]>>
 >
  return
}
