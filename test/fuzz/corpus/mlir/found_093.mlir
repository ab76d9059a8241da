  %same = tile.extract %x, [0, 0] : tensor<4x8xf32> -> `nsor<4x8xff32>
#map =((-, tensor<1>
