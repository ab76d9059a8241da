  cf.br ^next
#l4 = #tile.lext

  cf.br
