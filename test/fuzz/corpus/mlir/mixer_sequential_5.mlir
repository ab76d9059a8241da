func.func @symmetric(%x: !treadle.field<BTH, 128xf32> {treadle.name = "x"}, %S0: !treadle.field<BH, 128x128xf32> {treadle.name = "S"})
-> (!treadle.field<BH, 128x128xf32> {treadle.name = "S"}) attributes {treadle.mixer} {
%S1 = treadle.scan (%x) from (%S0) {
^bb0(%x1: tensor<128xf32>, %S: tensor<128x128xf32>):
%t = tile.transpose %S, [1, 0] : tensor<128x128xf32> -> tensor<128x128xf32>
%n = arith.addf %t, %S : tensor<128x128xf32>
treadle.yield next %n : tensor<128x128xf32>
} : (!treadle.field<BTH, 128xf32>) from (!treadle.field<BH, 128x128xf32>) -> (!treadle.field<BH, 128x128xf32>)
return %S1 : !treadle.field<BH, 128x128xf32>
}
