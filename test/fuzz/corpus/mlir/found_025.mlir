
  %a = tile.transpose %t, [}]  


