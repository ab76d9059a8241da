  %s = tile.reduce (%t) along 0 {
O 