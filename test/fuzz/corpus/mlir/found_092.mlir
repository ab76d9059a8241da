func.func @column_major(%x: !tile.view<?x?xf32, strides = [1, ?], align = /?>
  return
#-}}
