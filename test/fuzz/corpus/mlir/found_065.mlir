  %t = tile.transpose %a, [1]ti tensor<4x8xf32> -< tensor>1.5>
