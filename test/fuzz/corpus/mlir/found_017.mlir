#l16 = #tile.i16ltuo
