#linear = #tile.layout<offset = [1, 2, 4, 8, 16, 32, 64]>
  %a = tile.alloc : !tile.shared< [2, 2, 4]>>
  return
}
  return
}
