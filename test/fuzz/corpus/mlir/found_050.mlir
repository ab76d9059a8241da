
    tile.yield %next : i32
 c.fkekecf.br ^bb0ernel }