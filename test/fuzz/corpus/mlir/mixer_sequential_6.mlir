func.func @divisor(%n: !treadle.field<BTH, 70xi32> {treadle.name = "n"}, %S0: !treadle.field<BH, 70xf32> {treadle.name = "S"})
-> (!treadle.field<BTH, 70xi32> {treadle.name = "y"}) attributes {treadle.mixer} {
%seven = arith.constant dense<7> : tensor<70xi32>
%y, %S1 = treadle.scan (%n) from (%S0) {
^bb0(%n1: tensor<70xi32>, %S: tensor<70xf32>):
%d = arith.divsi %seven, %n1 : tensor<70xi32>
%f = arith.sitofp %d : tensor<70xi32> to tensor<70xf32>
%new = arith.addf %S, %f : tensor<70xf32>
treadle.yield %d : tensor<70xi32> next %new : tensor<70xf32>
} : (!treadle.field<BTH, 70xi32>) from (!treadle.field<BH, 70xf32>)
-> (!treadle.field<BTH, 70xi32>, !treadle.field<BH, 70xf32>)
return %y : !treadle.field<BTH, 70xi32>
}
