func.func @k(%x: !tile.view<?xf32> {tile.name = "x", x = ["N"]}) attributes {xf32, tile.grid = 4 : i32} {
}
