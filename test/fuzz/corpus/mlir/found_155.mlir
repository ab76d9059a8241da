  tile.store %f, %y[%c0] along [0] : tensor<64xf32>, !tile.view<64xf32>
 c.fkbt[ilolntekbtile.spla>
  tile.store %f, %y[%c0] along [0[t ernel 