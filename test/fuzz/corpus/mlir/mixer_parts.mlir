func.func @features(%k: !treadle.field<BTH, 4xf32> {treadle.name = "k"}, %v: !treadle.field<BTH, 3xf32> {treadle.name = "v"})
    -> (!treadle.field<BTH, 3xf32> {treadle.name = "o"}, !treadle.field<BH, 5x3xf32> {treadle.name = "S"}) attributes {treadle.mixer} {
  %S0 = treadle.fill 0.0 : !treadle.field<BH, 5x3xf32>
  %o, %S1 = treadle.scan (%k, %v) from (%S0) {
  ^bb0(%k1: tensor<4xf32>, %v1: tensor<3xf32>, %S: tensor<5x3xf32>):
    %one = arith.constant 1.0 : f32
    %f = treadle.concat (%one, %k1) along 0 : (f32, tensor<4xf32>) -> tensor<5xf32>
    %fc = tile.expand_dims %f, 1 : tensor<5xf32> -> tensor<5x1xf32>
    %fb = tile.broadcast %fc : tensor<5x1xf32> -> tensor<5x3xf32>
    %vr = tile.expand_dims %v1, 0 : tensor<3xf32> -> tensor<1x3xf32>
    %vb = tile.broadcast %vr : tensor<1x3xf32> -> tensor<5x3xf32>
    %p = arith.mulf %fb, %vb : tensor<5x3xf32>
    %new = arith.addf %S, %p : tensor<5x3xf32>
    %w = arith.mulf %new, %fb : tensor<5x3xf32>
    %out = tile.reduce (%w) along 0 {
    ^bb0(%a: f32, %b: f32):
      %sum = arith.addf %a, %b : f32
      tile.yield %sum : f32
    } : (tensor<5x3xf32>) -> tensor<3xf32>
    treadle.yield %out : tensor<3xf32> next %new : tensor<5x3xf32>
  } : (!treadle.field<BTH, 4xf32>, !treadle.field<BTH, 3xf32>) from (!treadle.field<BH, 5x3xf32>)
    -> (!treadle.field<BTH, 3xf32>, !treadle.field<BH, 5x3xf32>)
  return %o, %S1 : !treadle.field<BTH, 3xf32>, !treadle.field<BH, 5x3xf32>
}
