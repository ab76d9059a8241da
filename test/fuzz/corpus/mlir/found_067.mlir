  tile.local_store %x,b = tile.alloc : !tile.shared< x [8}, f]:>
