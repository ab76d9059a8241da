func.func @gla(%q: !treadle.field<BTH, 16xbf16> {treadle.name = "q"}, %k: !treadle.field<BTH, 16xbf16> {treadle.name = "k"}, %v: !treadle.field<BTH, 16xbf16> {treadle.name = "v"}, %g: !treadle.field<BTH, 16xf32> {treadle.name = "g"})
    -> (!treadle.field<BTH, 16xbf16> {treadle.name = "o"}, !treadle.field<BH, 16x16xf32> {treadle.name = "S"})
    attributes {treadle.mixer, treadle.packed, treadle.chunk = 0 : i32} {
  %S = treadle.fill 0.0 : !treadle.field<BH, 16x16xf32>
  %scan.r:2 = treadle.scan (%q, %k, %v, %g) from (%S) reverse {
  ^bb0(%q.t: tensor<16xf32>, %k.t: tensor<16xf32>, %v.t: tensor<16xf32>, %g.t: tensor<16xf32>, %S.t: tensor<16x16xf32>):
    %17 = arith.constant dense<1.0> : tensor<16xf32>
    %0 = math.exp %g.t : tensor<16xf32>
    %1 = tile.expand_dims %0, 1 : tensor<16xf32> -> tensor<16x1xf32>
    %2 = tile.broadcast %1 : tensor<16x1xf32> -> tensor<16x16xf32>
    %3 = arith.mulf %2, %S.t : tensor<16x16xf32>
    %4 = tile.expand_dims %k.t, 1 : tensor<16xf32> -> tensor<16x1xf32>
    %5 = tile.expand_dims %v.t, 0 : tensor<16xf32> -> tensor<1x16xf32>
    %6 = tile.broadcast %4 : tensor<16x1xf32> -> tensor<16x16xf32>
    %7 = tile.broadcast %5 : tensor<1x16xf32> -> tensor<16x16xf32>
    %8 = arith.mulf %6, %7 : tensor<16x16xf32>
    %9 = arith.addf %3, %8 : tensor<16x16xf32>
    %10 = tile.expand_dims %q.t, 1 : tensor<16xf32> -> tensor<16x1xf32>
    %11 = tile.broadcast %10 : tensor<16x1xf32> -> tensor<16x16xf32>
    %12 = arith.mulf %11, %9 : tensor<16x16xf32>
    %16 = tile.reduce (%12) along 0 {
    ^bb0(%13: f32, %14: f32):
      %15 = arith.addf %13, %14 : f32
      tile.yield %15 : f32
    } : (tensor<16x16xf32>) -> (tensor<16xf32>)
    %18 = arith.mulf %17, %16 : tensor<16xf32>
    treadle.yield %18 : tensor<16xf32> next %9 : tensor<16x16xf32>
  } : (!treadle.field<BTH, 16xbf16>, !treadle.field<BTH, 16xbf16>, !treadle.field<BTH, 16xbf16>, !treadle.field<BTH, 16xf32>) from (!treadle.field<BH, 16x16xf32>) -> (!treadle.field<BTH, 16xbf16>, !treadle.field<BH, 16x16xf32>)
  return %scan.r#0, %scan.r#1 : !treadle.field<BTH, 16xbf16>, !treadle.field<BH, 16x16xf32>
}
