func.func @f(%a: f32) {
  %t = tile.splat %a : f32 -> tensor<9xf32>
}
