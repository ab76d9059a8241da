func.func @f() {
  %i = tile.program_id 3
  return
}
