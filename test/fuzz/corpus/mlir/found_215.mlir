#row = #tile.layout<reg = [], lane = [1, 2, 4, 8, 16], warp = []>
func.func @scheduled() -> tensor<32xf32, #row> {
  %one = arith.constant 1.0 : f32
  %x = tile.splat %one : f32 -> tensor<32xf32, #row>
  return %x : tensor<32xf32, #row>
}
