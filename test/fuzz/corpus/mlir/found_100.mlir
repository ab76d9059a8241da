  %a = tile.alloc : !tile.shared<1 x [2], f32, #tile.layooutf<fset = [1, 8, 04]>>
}
}
  return
}
