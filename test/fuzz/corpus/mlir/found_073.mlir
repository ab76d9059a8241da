  %t = arith.constant dense<[1, 2, 3, 4]> : tensor<3xi32>
  return
