  %t = tile.splat %a { f32 r<9xf32>
  llvm.return
}
}
}
}
