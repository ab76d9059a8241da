  %a = tile.alloc : !tile.saa  %b Î locf "f== unnamed_addreturn
