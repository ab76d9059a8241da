func.func @grouped(
%q: !treadle.field<BTH, 80xbf16> {treadle.name = "q"},
%k: !treadle.field<BTG, 80xbf16> {treadle.name = "k", treadle.align = 16},
%d: !treadle.field<H, f32> {treadle.name = "d"}, %w: !treadle.field<4x80xf32> {treadle.name = "w"},
%S0: !treadle.field<BH, 4x80xf32> {treadle.name = "S"})
-> (!treadle.field<BTH, 4xbf16> {treadle.name = "o", treadle.align = 8}, !treadle.field<BH, 4x80xf32> {treadle.name = "S"})
attributes {treadle.mixer, tile.num_warps = 2 : i32, tile.fast_math} {
%o, %S1 = treadle.scan (%q, %k, %d, %w) from (%S0) {
^bb0(%q1: tensor<80xf32>, %k1: tensor<80xf32>, %d1: f32, %w1: tensor<4x80xf32>, %S: tensor<4x80xf32>):
%dd = tile.splat %d1 : f32 -> tensor<4x80xf32>
%old = arith.mulf %dd, %S : tensor<4x80xf32>
%ke = tile.reshape %k1 : tensor<80xf32> -> tensor<1x80xf32>
%kk = tile.broadcast %ke : tensor<1x80xf32> -> tensor<4x80xf32>
%kv = arith.mulf %kk, %w1 : tensor<4x80xf32>
%new = arith.addf %old, %kv : tensor<4x80xf32>
%qe = tile.expand_dims %q1, 0 : tensor<80xf32> -> tensor<1x80xf32>
%qq = tile.broadcast %qe : tensor<1x80xf32> -> tensor<4x80xf32>
%p = arith.mulf %qq, %new : tensor<4x80xf32>
%out = tile.reduce (%p) along 1 {
^bb0(%a: f32, %b: f32):
%s = arith.addf %a, %b : f32
tile.yield %s : f32
} : (tensor<4x80xf32>) -> tensor<4xf32>
treadle.yield %out : tensor<4xf32> next %new : tensor<4x80xf32>
} : (!treadle.field<BTH, 80xbf16>, !treadle.field<BTG, 80xbf16>, !treadle.field<H, f32>, !treadle.field<4x80xf32>)
from (!treadle.field<BH, 4x80xf32>) -> (!treadle.field<BTH, 4xbf16>, !treadle.field<BH, 4x80xf32>)
return %o, %S1 : !treadle.field<BTH, 4xbf16>, !treadle.field<BH, 4x80xf32>
}
