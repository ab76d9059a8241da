  %t = tile.transpose %a, [-1, 10] {or<or-10>) 
}
