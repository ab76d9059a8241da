  tile.async_commit
rtile.convert_fuyout<r„, 
