  %vf = tile.load %t stant 
