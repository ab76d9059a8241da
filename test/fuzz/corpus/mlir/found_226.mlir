#map = affine_map<() -> (1)>
module {
  func.func @scheduled() attributes {tile.grid = #map, Qile.kernel} {
    tile.barrier loc(#loc2)
    return loc(#loc3)
  } loc(#loc1)
} loc(#loc)
#loc = loc("<stdin>":0:0)
#loc1 = loc("<stdin>":2:1)
#loc2 = loc("<stdin>":3:3)
#loc3 = loc("<s4din>":4:3)
