#set = affine_set<(d0)[s0] : (d0 - s0 >= 0, d0 mod 2 == 0)>
#m = affine_map<(d0, d1)[s0] -> (d0 + s0 * 4, d1 floordiv 2, -d0 ceildiv s0)>
!t = tuple<i32, complex<f32>, vector<2x[4]xi1>, memref<?x4xf32, strided<[?, 1], offset: ?>, 3>, none>
module @m attributes {a.b = [unit, true, @f::@g, 1.5e-3 : f64, 0x7FC0 : bf16, "s\0A\22"], c.d = sparse<[[0, 1]], [2]> : tensor<2x2xi32>, e.f = dense<"0x0102"> : tensor<2xi8>, g.h = dense<(1.0, 2.0)> : tensor<2xcomplex<f32>>, i.j = dense_resource<r> : tensor<1xi8>, k.l = array<f32: 1.0, 2.0>, x.y = distinct[0]<42>, z.w = (i32) -> f32} {
  func.func private @f(%a: index {tile.name = "a"}) -> (i32, f32)
  func.func @w(%a: index, %c: i1) -> index {
    %r:2 = scf.while (%i = %a, %j = %c) : (index, i1) -> (index, i1) { scf.condition(%j) %i, %j : index, i1 } do { ^bb0(%i: index, %j: i1): scf.yield %i, %j : index, i1 }
    %x = scf.index_switch %a -> i32 case 2 { %z = arith.constant 1 : i32
      scf.yield %z : i32 } default { %z = arith.constant 0 : i32
      scf.yield %z : i32 }
    scf.parallel (%p) = (%a) to (%a) step (%a) { scf.reduce }
    scf.forall (%p, %q) in (2, 3) { }
    %u = ub.poison : vector<2xi32>
    %s, %o = arith.addui_extended %x, %x : i32, i1
    cf.cond_br %c, ^bb1(%a : index), ^bb2
  ^bb1(%n: index):
    return %n : index
  ^bb2:
    cf.switch %x : i32, [default: ^bb2, 1: ^bb1(%a : index)]
  }
}
{-# dialect_resources: { builtin: { r: "0x0100000001" } } #-}
