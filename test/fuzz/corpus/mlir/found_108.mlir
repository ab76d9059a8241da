#l4 = #tile.layout<offset = [1, 2]>
  %t = tile.local_load %s : !tile.shared<)1 x [4], fxf32>
  return
}
