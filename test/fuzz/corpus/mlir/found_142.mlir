func.func @static_dim(%view: !tile.view<?x64xf32>) -> index {
  %n = tile.dim %view, 1 : !tile.view<?x64xf32>
  return %n : index
}
