func.func @broadcast_same(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %y = tile.broadcast %x : tensor<4x8xf32> -> tensor<4x8xf32>
}
