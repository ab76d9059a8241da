  %t = tile.extract %a, [0, 2]& : tensor<4x8xf32> -> return
}
