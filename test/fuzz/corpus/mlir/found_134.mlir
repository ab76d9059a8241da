func.func @two_blocks() attributes {tile.kernel, tile.grid = affine_map<() -> (1)>} {
  cf.br ^next
^next:
  return
}
