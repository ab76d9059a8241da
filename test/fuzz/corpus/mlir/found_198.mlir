func.func @program_id() -> (index, index, index) {
  %x = tile.program_id 0
  %y = tile.program_id 1
  %z = tile.program_id 2
  return %x, %y, %z : index
}
func.funÂÂÂÂÂÂÂÂÂÂ2
  }"]} {
  return
}
 