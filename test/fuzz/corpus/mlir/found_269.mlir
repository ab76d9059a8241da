#rows = #tile.layout<reg = [1, 64], lane = [2, 4, 8, 16, 32], warp = []>
#columns = #tile.layout<warp = [], lane = [16, 32, 64, 2, 4], reg = [8, 1]>
#linear = #tile.layout<offset = [1, 2, 4, 8, 16, 32, 64]>

func.func @convert_layout(%x: tensor<16x8xf32, #rows>) -> tensor<16x8xf32, #columns> {
  %y = tile.convert_layout %x : tensor<16x8xf32, #rows> -> tensor<16x8xf32, #columns>
  return %y : tensor<16x8xf32, #columns>
}

func.func @ring(%i: index) {
  %ring = tile.alloc : !tile.shared<3 x [16, 8], bf16, #linear>
  %slot = tile.slot %ring[%i] : !tile.shared<3 x [16, 8], bf16, #linear> -> !tile.shared<1 x [16, 8], bf16, #linear>
  return
}

func.func @async(%view: !tile.view<?x?xbf16, align = 16>, %i: index, %go: i1) {
  %slot = tile.alloc : !tile.shared<1 x [16, 8], bf16, #linear>
  tile.async_load %view[%i, %i] along [0, 1] into %slot : !tile.view<?x?xbf16, align = 16> -> !tile.shared<1 x [16, 8], bf16, #linear>
  tile.async_load %view[%i, %i] along [0, 1] into %slot if %go : !tile.view<?x?xbf16, align = 16> -> !tile.shared<1 x [16, 8], bf16, #linear>
  tile.async_commit
  tile.async_wait 2
  tile.barrier
  return
}

func.func @local(%x: tensor<16x8xf32, #rows>) -> tensor<16x8xf32, #columns> {
  %slot = tile.alloc : !tile.shared<1 x [16, 8], f32, #linear>
  tile.local_store %x, %slot : tensor<16x8xf32, #rows>, !tile.shared<1 x [16, 8], f32, #linear>
  %y = tile.local_load %slot : !tile.shared<1 x [16, 8], f32, #linear> -> tensor<16x8xf32, #columns>
  return %y : tensor<16x8xf32, #columns>
}

func.func @dot_from_shared(%c: tensor<16x8xf32, #rows>, %a: !tile.shared<1 x [16, 8], f32, #linear>) -> tensor<16x8xf32, #rows> {
  %b = tile.alloc : !tile.shared<1 x [8, 8], f32, #tile.layout<offset = [1, 2, 4, 8, 16, 32]>>
  %d = tile.dot %a, %b, %c : !tile.shared<1 x [16, 8], f32, #linear>, !tile.shared<1 x [8, 8], f32, #tile.layout<offset = [1, 2, 4, 8, 16, 32]>> -> tensor<16x8xf32, #rows>
  return %d : tensor<16x8xf32, #rows>
}
