func.func @shared(%k: !treadle.field<BTH, 8xf32> {treadle.name = "k"}, %v: !treadle.field<BTH, 130xf32> {treadle.name = "v"})
-> (!treadle.field<BTH, 130xf32> {treadle.name = "o"}, !treadle.field<BH, 8x130xf32> {treadle.name = "S"},
!treadle.field<BH, 8xf32> {treadle.name = "z"}) attributes {treadle.mixer} {
%z0 = treadle.fill 0.0 : !treadle.field<BH, 8xf32>
%S0 = treadle.fill 0.0 : !treadle.field<BH, 8x130xf32>
%o, %S1, %z1 = treadle.scan (%k, %v) from (%S0, %z0) {
^bb0(%k1: tensor<8xf32>, %v1: tensor<130xf32>, %S: tensor<8x130xf32>, %z: tensor<8xf32>):
%zn = arith.addf %z, %k1 : tensor<8xf32>
%ke = tile.expand_dims %zn, 1 : tensor<8xf32> -> tensor<8x1xf32>
%kk = tile.broadcast %ke : tensor<8x1xf32> -> tensor<8x130xf32>
%ve = tile.expand_dims %v1, 0 : tensor<130xf32> -> tensor<1x130xf32>
%vv = tile.broadcast %ve : tensor<1x130xf32> -> tensor<8x130xf32>
%kv = arith.mulf %kk, %vv : tensor<8x130xf32>
%new = arith.addf %S, %kv : tensor<8x130xf32>
%out = tile.reduce (%new) along 0 {
^bb0(%a: f32, %b: f32):
%s = arith.addf %a, %b : f32
tile.yield %s : f32
} : (tensor<8x130xf32>) -> tensor<130xf32>
treadle.yield %out : tensor<130xf32> next %new, %zn : tensor<8x130xf32>, tensor<8xf32>
} : (!treadle.field<BTH, 8xf32>, !treadle.field<BTH, 130xf32>)
from (!treadle.field<BH, 8x130xf32>, !treadle.field<BH, 8xf32>)
-> (!treadle.field<BTH, 130xf32>, !treadle.field<BH, 8x130xf32>, !treadle.field<BH, 8xf32>)
return %o, %S1, %z1 : !treadle.field<BTH, 130xf32>, !treadle.field<BH, 8x130xf32>, !treadle.field<BH, 8xf32>
}
