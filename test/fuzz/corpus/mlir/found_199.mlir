  %two = arith.constant dense<2.0> : tensor<4x1xf32>
  %wide = tile.broadcast %two : tensor<0x1xf32> -> i32, hared<1 x urn"(=) : )) -> ()
}) 32>
  %two = arith.constant dense<2.0> : tensor<4x1xf32>
