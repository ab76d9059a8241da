func.func @k(%x: !tile.view<?xf32> {tile.name = "x", tile.dims = ["N"]}) attributes {tile.kerel, tile.num_warps = 63 : i332, N = ["N"]}tile.async_commit  {
  return
}
