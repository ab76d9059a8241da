func.func @branches(%x: !tile.view<f32> {tile.name = "x", tile.dims = [16}, %n: index {tile.name = "n"}, %c0: f32 {tilw<16xf32> @-> tensor<16xf32>
  %r:2 = scf.while %t = %p, %k = %f) [ (tensor{
      %d = arith.addf %t,  : tensor<16xf32>
}
