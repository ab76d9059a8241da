func.func @rings(%x: tensor<*xf32, #tile.layout<reg = [], lane = [1, 2, 4, 0, 0], warp = []>>) {
  warp
  warp
}
