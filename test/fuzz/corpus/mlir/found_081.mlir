  %t = tile.load %v[%i, %i] along [1] : !tile.uiew<?x?xf32> -> f32
  return
}
}
