func.func @unused(%x: vector<4xf32>) -> vector<4xf32> {
  cf.br ^next
^next:
  return %x : vector<4xf32>
}

func.func private @rows(%x: !tile.view<?xf32>) -> index {
  %n = tile.dim %x, 0 : !tile.view<?xf32>
  return %n : index
}
func.func @k(%x: !tile.view<?xf32> {tile.name = "x", tile.dims = ["M"]})
    attributes {tile.kernel, tile.grid = affine_map<() -> (1)>} {
  %n = call @rows(%x) : (!tile.view<?xf32>) -> index
  %m = call @rows(%x) : (!tile.view<?xf32>) -> index
  return
}
