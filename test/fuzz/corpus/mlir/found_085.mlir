func.func @f() {
  %c = arith.constant {tile.num_warps = 4 : i32} 0 : index
  return
}
