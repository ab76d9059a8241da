func.func @lightnet(%q: !treadle.field<BTH, 16xbf16> {treadle.name = "q"}, %k: !treadle.field<BTH, 16xbf16> {treadle.name = "k"}, %v: !treadle.field<BTH, 16xbf16> {treadle.name = "v"})
    -> (!treadle.field<BTH, 16xbf16> {treadle.name = "o"}, !treadle.field<BH, 16x16xf32> {treadle.name = "S"}, !treadle.field<BH, 16xf32> {treadle.name = "z"})
    attributes {treadle.mixer, treadle.split, treadle.chunk = 0 : i32} {
  %S = treadle.fill 0.0 : !treadle.field<BH, 16x16xf32>
  %z = treadle.fill 0xFF800000 : !treadle.field<BH, 16xf32>
  %scan.r:3 = treadle.scan (%q, %k, %v) from (%S, %z) {
  ^bb0(%q.t: tensor<16xf32>, %k.t: tensor<16xf32>, %v.t: tensor<16xf32>, %S.t: tensor<16x16xf32>, %z.t: tensor<16xf32>):
    %16 = arith.constant dense<1.0> : tensor<16xf32>
    %0 = treadle.logaddexp %z.t, %k.t : tensor<16xf32>
    %1 = arith.subf %z.t, %0 : tensor<16xf32>
    %2 = math.exp %1 : tensor<16xf32>
    %3 = tile.expand_dims %2, 1 : tensor<16xf32> -> tensor<16x1xf32>
    %4 = tile.broadcast %3 : tensor<16x1xf32> -> tensor<16x16xf32>
    %5 = arith.mulf %4, %S.t : tensor<16x16xf32>
    %6 = arith.subf %k.t, %0 : tensor<16xf32>
    %7 = math.exp %6 : tensor<16xf32>
    %8 = tile.expand_dims %7, 1 : tensor<16xf32> -> tensor<16x1xf32>
    %9 = tile.expand_dims %v.t, 0 : tensor<16xf32> -> tensor<1x16xf32>
    %10 = tile.broadcast %8 : tensor<16x1xf32> -> tensor<16x16xf32>
    %11 = tile.broadcast %9 : tensor<1x16xf32> -> tensor<16x16xf32>
    %12 = arith.mulf %10, %11 : tensor<16x16xf32>
    %13 = arith.addf %5, %12 : tensor<16x16xf32>
    %14 = arith.negf %q.t : tensor<16xf32>
    %15 = math.exp %14 : tensor<16xf32>
    %17 = arith.addf %16, %15 : tensor<16xf32>
    %18 = arith.divf %q.t, %17 : tensor<16xf32>
    %19 = tile.expand_dims %18, 1 : tensor<16xf32> -> tensor<16x1xf32>
    %20 = tile.broadcast %19 : tensor<16x1xf32> -> tensor<16x16xf32>
    %21 = arith.mulf %20, %13 : tensor<16x16xf32>
    %25 = tile.reduce (%21) along 0 {
    ^bb0(%22: f32, %23: f32):
      %24 = arith.addf %22, %23 : f32
      tile.yield %24 : f32
    } : (tensor<16x16xf32>) -> (tensor<16xf32>)
    treadle.yield %25 : tensor<16xf32> next %13, %0 : tensor<16x16xf32>, tensor<16xf32>
  } : (!treadle.field<BTH, 16xbf16>, !treadle.field<BTH, 16xbf16>, !treadle.field<BTH, 16xbf16>) from (!treadle.field<BH, 16x16xf32>, !treadle.field<BH, 16xf32>) -> (!treadle.field<BTH, 16xbf16>, !treadle.field<BH, 16x16xf32>, !treadle.field<BH, 16xf32>)
  return %scan.r#0, %scan.r#1, %scan.r#2 : !treadle.field<BTH, 16xbf16>, !treadle.field<BH, 16x16xf32>, !treadle.field<BH, 16xf32>
}
