  %d = tile.dot %a, %b, %c precision tf32 : return<>, te<16x16xf32>
