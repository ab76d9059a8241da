func.func @f() {
  %iota = tile.iota : tensor<6xi32>
  return

  return
}


func.func @make(%value: f16) -> (tensor<32xi32>, tensor<4x4xf16>) {
  %iota = tile.iota : tensor<64xi32>
}
