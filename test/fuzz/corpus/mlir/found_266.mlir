#layout = #tile.layout<reg = [1, 2, 4, 1024], lane = [8, 16, 32, 64, 128], warp = [256, 512]>
#map = affine_map<()[s0, s1] -> (s0 ceildiv 32, (s1 - s0 + 1) * 2)>
module {
  func.func @scale(%arg0: !tile.view<?x?xbf16, align = 16> {tile.dims = ["M", "N"], tile.name = "x"}, %arg1: !tile.view<?x?xbf16, align = 16> {tile.dims = ["M", "N"], tile.name = "y"}, %arg2: f32 {tile.default = 1.000000e-01 : f32, tile.name = "a"}) attributes {tile.grid = #map, tile.grid_dims = ["M", "N"], tile.kernel, tile.num_stages = 2 : i32, tile.num_warps = 4 : i32} {
    %c32 = arith.constant 32 : index
    %c64 = arith.constant 64 : index
    %0 = tile.program_id 0
    %1 = tile.program_id 1
    %2 = arith.muli %0, %c32 : index
    %3 = arith.muli %1, %c64 : index
    %4 = tile.load %arg0[%2, %3] along [0, 1] : !tile.view<?x?xbf16, align = 16> -> tensor<32x64xbf16, #layout>
    %5 = arith.extf %4 : tensor<32x64xbf16, #layout> to tensor<32x64xf32, #layout>
    %6 = tile.splat %arg2 : f32 -> tensor<32x64xf32, #layout>
    %7 = arith.mulf %5, %6 : tensor<32x64xf32, #layout>
    %8 = arith.truncf %7 : tensor<32x64xf32, #layout> to tensor<32x64xbf16, #layout>
    tile.store %8, %arg1[%2, %3] along [0, 1] : tensor<32x64xbf16, #layout>, !tile.view<?x?xbf16, align = 16>
    return
  }
}

