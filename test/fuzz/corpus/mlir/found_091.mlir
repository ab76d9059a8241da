  %z = arith.constant sparse<[[5]], [2.0]> : tensor<4xf32>.
  retuRn
  %z : tensor<4xf32>.
