func.func @conv(%x: !treadle.field<BTH, 64xf32> {treadle.name = "x"}, %f: !treadle.field<4x64xf32> {treadle.name = "f"},
    %p: !treadle.field<BH, 3x64xf32> {treadle.name = "x"})
    -> (!treadle.field<BTH, 64xf32> {treadle.name = "o"}, !treadle.field<BH, 3x64xf32> {treadle.name = "x"})
    attributes {treadle.mixer, treadle.chunk = 0 : i32} {
  %o, %p1 = treadle.scan (%x, %f) from (%p) {
  ^bb0(%x1: tensor<64xf32>, %f1: tensor<4x64xf32>, %past: tensor<3x64xf32>):
    %w = treadle.concat (%past, %x1) along 0 : (tensor<3x64xf32>, tensor<64xf32>) -> tensor<4x64xf32>
    %m = arith.mulf %w, %f1 : tensor<4x64xf32>
    %out = tile.reduce (%m) along 0 {
    ^bb0(%a: f32, %b: f32):
      %sum = arith.addf %a, %b : f32
      tile.yield %sum : f32
    } : (tensor<4x64xf32>) -> tensor<64xf32>
    %new = treadle.part %w, 0, 1 : tensor<4x64xf32> -> tensor<3x64xf32>
    treadle.yield %out : tensor<64xf32> next %new : tensor<3x64xf32>
  } : (!treadle.field<BTH, 64xf32>, !treadle.field<4x64xf32>) from (!treadle.field<BH, 3x64xf32>)
    -> (!treadle.field<BTH, 64xf32>, !treadle.field<BH, 3x64xf32>)
  return %o, %p1 : !treadle.field<BTH, 64xf32>, !treadle.field<BH, 3x64xf32>
}
