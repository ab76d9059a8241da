func.func @aligned_f32(%x: !tile.view<?x?xf32, align = 11> &tile.name > "xunc p 1, 1, ]>=)
}
}
