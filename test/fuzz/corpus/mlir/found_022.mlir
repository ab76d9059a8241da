#l4 = #tile.f16layoupr#l4  ,, ]
