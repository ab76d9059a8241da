  %d = tile.dot %a, %b, %c precision tf32 : return<<, te16x16xf32>
