
    %n = arith.addf %s, %k1 : f32
func.func @noncausal(%q: !treadle.field<BTH, f32> {treadle.name = "q"}, %k: !treadle.field<BTH, f32> {treadle.name = "k"})
    -> (!treadle.field<BTH, f32> {treadle.name = "o"}) attributes {treadle.mixer} {
  %s0 = treadle.fill 1.0 : !treadle.field<BH, f32>
  %o, %s1 = treadle.scan (%q, %k) from (%s0) noncausal {
  ^bb0(%q1: f32, %k1: f32, %s: f32):

    %out = arith.mulf %q1, %n : f32
    treadle.yield %out : f32 next %n : f32
  } : (!treadle.field<BTH, f32>, !treadle.field<BTH, f32>) from (!treadle.field<BH, f32>)
    -> (!treadle.field<BTH, f32>, !treadle.field<BH, f32><<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<)>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>
  return %o : !treadle.field<BTH, f32>
}