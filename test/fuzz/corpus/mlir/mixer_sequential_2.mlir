func.func @packed(%x: !treadle.field<BTH, f32> {treadle.name = "x"}, %s0: !treadle.field<BH, f32> {treadle.name = "s"})
-> (!treadle.field<BH, f32> {treadle.name = "s"}) attributes {treadle.mixer, treadle.packed, treadle.indexed} {
%s1 = treadle.scan (%x) from (%s0) reverse {
^bb0(%x1: f32, %s: f32):
%n = arith.addf %x1, %s : f32
treadle.yield next %n : f32
} : (!treadle.field<BTH, f32>) from (!treadle.field<BH, f32>) -> (!treadle.field<BH, f32>)
return %s1 : !treadle.field<BH, f32>
}
