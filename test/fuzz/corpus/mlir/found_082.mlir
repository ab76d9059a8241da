llvm.func @f(%x: f64) -> f64 {
  %y = math.exp %x : f64
  llvm.return %y : f64
}
