#l8 = #tile.layout<offset = [1, 2, 4]>
ffurc.f.ef8cf!di8cf.if
