// Every op of the pure stage, printed and parsed again.
// RUN: treadle-opt %s | FileCheck %s
// RUN: treadle-opt %s | treadle-opt | FileCheck %s

// CHECK: #layout = #tile.layout<reg = [1, 64], lane = [2, 4, 8, 16, 32], warp = []>
// CHECK: #shared = #tile.layout<offset = [1, 2, 4, 8, 16, 32, 64]>
// CHECK: func.func @pure(%[[X:.*]]: !tile.view<?x?xbf16, align = 16> {{.*}}, %[[S:.*]]: !tile.view<?x64xf32, strides = [?, ?]>
func.func @pure(%x: !tile.view<?x?xbf16, align = 16> {tile.name = "x", tile.dims = ["M", "N"]},
                %s: !tile.view<?x64xf32, strides = [?, ?], align = 4> {tile.name = "s", tile.dims = ["M", 64]},
                %a: f32 {tile.name = "a"}, %n: index {tile.name = "n", tile.default = 3 : index})
    attributes {tile.kernel, tile.num_warps = 4 : i32, tile.num_stages = 2 : i32, tile.fast_math,
                tile.grid = affine_map<()[M, N] -> (M ceildiv 32, N ceildiv 64)>, tile.grid_dims = ["M", "N"]} {
  %c0 = arith.constant 0 : index
  %zero = arith.constant dense<0.0> : tensor<32x32xf32>
  // CHECK: tile.program_id 1
  %i = tile.program_id 1
  // CHECK: tile.dim %[[X]], 1 : !tile.view<?x?xbf16, align = 16>
  %d = tile.dim %x, 1 : !tile.view<?x?xbf16, align = 16>
  // CHECK: tile.slice %[[X]], 0, %{{.*}}, %{{.*}} : !tile.view<?x?xbf16, align = 16>
  %part = tile.slice %x, 0, %d, %d : !tile.view<?x?xbf16, align = 16>
  // CHECK: tile.load %[[X]][%{{.*}}, %{{.*}}] along [0, 1] : !tile.view<?x?xbf16, align = 16> -> tensor<32x64xbf16>
  %t = tile.load %x[%i, %c0] along [0, 1] : !tile.view<?x?xbf16, align = 16> -> tensor<32x64xbf16>
  // CHECK: tile.load %[[S]][%{{.*}}, %{{.*}}] along [1] other(%{{.*}} : f32) : !tile.view<?x64xf32, strides = [?, ?]> -> tensor<64xf32>
  %r = tile.load %s[%d, %n] along [1] other(%a : f32) : !tile.view<?x64xf32, strides = [?, ?]> -> tensor<64xf32>
  // CHECK: tile.load {{.*}} along [] : {{.*}} -> f32
  %e = tile.load %s[%d, %n] along [] : !tile.view<?x64xf32, strides = [?, ?]> -> f32
  // CHECK: tile.iota : tensor<64xi32>
  %j = tile.iota : tensor<64xi32>
  // CHECK: tile.splat %{{.*}} : f32 -> tensor<64xf32>
  %p = tile.splat %e : f32 -> tensor<64xf32>
  // CHECK: tile.expand_dims %{{.*}}, 0 : tensor<64xf32> -> tensor<1x64xf32>
  %q = tile.expand_dims %p, 0 : tensor<64xf32> -> tensor<1x64xf32>
  // CHECK: tile.broadcast %{{.*}} : tensor<1x64xf32> -> tensor<32x64xf32>
  %b = tile.broadcast %q : tensor<1x64xf32> -> tensor<32x64xf32>
  // CHECK: tile.transpose %{{.*}}, [1, 0] : tensor<32x64xbf16> -> tensor<64x32xbf16>
  %u = tile.transpose %t, [1, 0] : tensor<32x64xbf16> -> tensor<64x32xbf16>
  // CHECK: tile.reshape %{{.*}} : tensor<32x64xf32> -> tensor<2048xf32>
  %v = tile.reshape %b : tensor<32x64xf32> -> tensor<2048xf32>
  // CHECK: tile.extract %{{.*}}, [16, 0] : tensor<32x64xf32> -> tensor<16x64xf32>
  %block = tile.extract %b, [16, 0] : tensor<32x64xf32> -> tensor<16x64xf32>
  // CHECK: tile.dot %{{.*}}, %{{.*}}, %{{.*}} : tensor<32x64xbf16>, tensor<64x32xbf16> -> tensor<32x32xf32>
  %w = tile.dot %t, %u, %zero : tensor<32x64xbf16>, tensor<64x32xbf16> -> tensor<32x32xf32>
  // CHECK: tile.dot {{.*}} precision tf32x3 : tensor<32x32xf32>, tensor<32x32xf32> -> tensor<32x32xf32>
  %y = tile.dot %w, %w, %w precision tf32x3 : tensor<32x32xf32>, tensor<32x32xf32> -> tensor<32x32xf32>
  // CHECK: tile.reduce (%{{.*}}, %{{.*}}) along 0
  // CHECK: tile.yield %{{.*}}, %{{.*}} : f32, i32
  // CHECK: : (tensor<64xf32>, tensor<64xi32>) -> (f32, i32)
  %m, %mi = tile.reduce (%r, %j) along 0 {
  ^bb0(%f: f32, %fi: i32, %g: f32, %gi: i32):
    %c = arith.cmpf ogt, %f, %g : f32
    %h = arith.select %c, %f, %g : f32
    %hi = arith.select %c, %fi, %gi : i32
    tile.yield %h, %hi : f32, i32
  } : (tensor<64xf32>, tensor<64xi32>) -> (f32, i32)
  // CHECK: tile.scan (%{{.*}}) along 1 reverse
  // CHECK: : (tensor<32x32xf32>) -> tensor<32x32xf32>
  %z = tile.scan (%y) along 1 reverse {
  ^bb0(%f: f32, %g: f32):
    %h = arith.addf %f, %g : f32
    tile.yield %h : f32
  } : (tensor<32x32xf32>) -> tensor<32x32xf32>
  // CHECK: tile.store %{{.*}}, %[[X]][%{{.*}}, %{{.*}}] along [0, 1] : tensor<32x64xbf16>, !tile.view<?x?xbf16, align = 16>
  tile.store %t, %x[%c0, %c0] along [0, 1] : tensor<32x64xbf16>, !tile.view<?x?xbf16, align = 16>
  // CHECK: tile.store %{{.*}}, %[[S]]{{.*}} along [] : f32, !tile.view<?x64xf32, strides = [?, ?]>
  tile.store %m, %s[%c0, %c0] along [] : f32, !tile.view<?x64xf32, strides = [?, ?]>
  return
}

func.func private @layouts(tensor<16x8xf32, #tile.layout<reg = [1, 64], lane = [2, 4, 8, 16, 32], warp = []>>,
                           !tile.shared<3 x [16, 8], bf16, #tile.layout<offset = [1, 2, 4, 8, 16, 32, 64]>>)
// CHECK: @layouts(tensor<16x8xf32, #layout>, !tile.shared<3 x[16, 8], bf16, #shared>)

// CHECK: func.func private @narrow
func.func private @narrow(%v: !tile.view<?x64xf32, align = 16>) {
  // CHECK: tile.narrow %{{.*}}, 1, 16 : !tile.view<?x64xf32, align = 16> -> !tile.view<?x32xf32, align = 16>
  %w = tile.narrow %v, 1, 16 : !tile.view<?x64xf32, align = 16> -> !tile.view<?x32xf32, align = 16>
  return
}
