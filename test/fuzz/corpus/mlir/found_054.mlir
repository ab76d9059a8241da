func.func @rings(%x: tensor<*xf32, #tile.layoutòÿreturn
