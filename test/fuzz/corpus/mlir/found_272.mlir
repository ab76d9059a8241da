func.func @i8(%x: !tile.view<?xi8, align = 16> {tile.name = "i8_x", tile.dims = ["M"]})
    attributes {tile.kernel, tile.grid = affine_map<()[M] -> (M)>, tile.grid_dims = ["M"]} {
  %c0 = arith.constant 0 : index
  %t = tile.load %x[%c0] along [0] : !tile.view<?xi8, align = 16> -> tensor<2048xi8>
  %u = arith.addi %t, %t : tensor<2048xi8>
  tile.store %u, %x[%c0] along [0] : tensor<2048xi8>, !tile.view<?xi8, align = 16>
  return
}

func.func @i8_single(%x: !tile.view<?xi8> {tile.name = "i8_single_x", tile.dims = ["M"]})
    attributes {tile.kernel, tile.grid = affine_map<()[M] -> (M)>, tile.grid_dims = ["M"]} {
  %c0 = arith.constant 0 : index
  %t = tile.load %x[%c0] along [0] : !tile.view<?xi8> -> tensor<128xi8>
  tile.store %t, %x[%c0] along [0] : tensor<128xi8>, !tile.view<?xi8>
  return
}

func.func @i16(%x: !tile.view<?xi16> {tile.name = "i16_x", tile.dims = ["M"]})
    attributes {tile.kernel, tile.grid = affine_map<()[M] -> (M)>, tile.grid_dims = ["M"]} {
  %c0 = arith.constant 0 : index
  %t = tile.load %x[%c0] along [0] : !tile.view<?xi16> -> tensor<128xi16>
  tile.store %t, %x[%c0] along [0] : tensor<128xi16>, !tile.view<?xi16>
  return
}

func.func @i64(%x: !tile.view<?xi64> {tile.name = "i64_x", tile.dims = ["M"]})
    attributes {tile.kernel, tile.grid = affine_map<()[M] -> (M)>, tile.grid_dims = ["M"]} {
  %c0 = arith.constant 0 : index
  %t = tile.load %x[%c0] along [0] : !tile.view<?xi64> -> tensor<128xi64>
  %u = arith.addi %t, %t : tensor<128xi64>
  tile.store %u, %x[%c0] along [0] : tensor<128xi64>, !tile.view<?xi64>
  return
}

func.func @i64_aligned(%x: !tile.view<?xi64, align = 16> {tile.name = "i64_aligned_x", tile.dims = ["M"]})
    attributes {tile.kernel, tile.grid = affine_map<()[M] -> (M)>, tile.grid_dims = ["M"]} {
  %c0 = arith.constant 0 : index
  %t = tile.load %x[%c0] along [0] : !tile.view<?xi64, align = 16> -> tensor<512xi64>
  tile.store %t, %x[%c0] along [0] : tensor<512xi64>, !tile.view<?xi64, align = 16>
  return
}

func.func @f16(%x: !tile.view<?xf16, align = 16> {tile.name = "f16_x", tile.dims = ["M"]})
    attributes {tile.kernel, tile.grid = affine_map<()[M] -> (M)>, tile.grid_dims = ["M"]} {
  %c0 = arith.constant 0 : index
  %t = tile.load %x[%c0] along [0] : !tile.view<?xf16, align = 16> -> tensor<1024xf16>
  %f = arith.extf %t : tensor<1024xf16> to tensor<1024xf32>
  %g = arith.mulf %f, %f : tensor<1024xf32>
  %o = arith.truncf %g : tensor<1024xf32> to tensor<1024xf16>
  tile.store %o, %x[%c0] along [0] : tensor<1024xf16>, !tile.view<?xf16, align = 16>
  return
}

func.func @bf16(%x: !tile.view<?xbf16, align = 16> {tile.name = "bf16_x", tile.dims = ["M"]})
    attributes {tile.kernel, tile.grid = affine_map<()[M] -> (M)>, tile.grid_dims = ["M"]} {
  %c0 = arith.constant 0 : index
  %t = tile.load %x[%c0] along [0] : !tile.view<?xbf16, align = 16> -> tensor<1024xbf16>
  %f = arith.extf %t : tensor<1024xbf16> to tensor<1024xf32>
  %g = arith.mulf %f, %f : tensor<1024xf32>
  %o = arith.truncf %g : tensor<1024xf32> to tensor<1024xbf16>
  tile.store %o, %x[%c0] along [0] : tensor<1024xbf16>, !tile.view<?xbf16, align = 16>
  return
}

func.func @i1(%x: !tile.view<?xf32> {tile.name = "i1_x", tile.dims = ["M"]}, %y: !tile.view<?xi8> {tile.name = "i1_y", tile.dims = ["M"]})
    attributes {tile.kernel, tile.grid = affine_map<()[M] -> (M)>, tile.grid_dims = ["M"]} {
  %c0 = arith.constant 0 : index
  %zero = arith.constant dense<0.0> : tensor<128xf32>
  %t = tile.load %x[%c0] along [0] : !tile.view<?xf32> -> tensor<128xf32>
  %p = arith.cmpf ogt, %t, %zero : tensor<128xf32>
  %any = tile.reduce (%p) along 0 {
  ^bb0(%a: i1, %b: i1):
    %c = arith.ori %a, %b : i1
    tile.yield %c : i1
  } : (tensor<128xi1>) -> i1
  %v = arith.extui %any : i1 to i8
  tile.store %v, %y[%c0] along [] : i8, !tile.view<?xi8>
  return
}
