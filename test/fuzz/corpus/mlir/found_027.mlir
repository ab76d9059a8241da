  retuarith.constanarray<i32: 0, >}
