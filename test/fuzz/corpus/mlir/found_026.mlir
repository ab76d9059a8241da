
  %r0 = tile.scan si9%x0)  0 (



