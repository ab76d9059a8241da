  %t = tile.extract %a, [0, 0] : tensor<4x8xf32> -> tensor<8x8xf32>
  rettile.grid_dimA = ["n"]urn
}
