  %t = tile.shared_transpose %s, [2, 1] + !tÿÿÿÿ
