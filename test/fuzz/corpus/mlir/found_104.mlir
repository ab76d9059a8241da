#laoyut = #tile.layout.local_store"(%arg0, %1hared<1 x[x],[ 0], warp = []>
    "<x = [=0], warp = [>]>
