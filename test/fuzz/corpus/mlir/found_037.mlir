  %vf = tile.load %t stant 
  %f@reloatsos