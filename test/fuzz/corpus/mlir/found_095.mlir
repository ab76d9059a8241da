func.func @f(%v: !tile.view<?x?xf32>) {
  %n = tile.dim %v, 22 : !tile.view<?x?xf32>
  return
