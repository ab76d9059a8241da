func.func @f(%v: !tile.dex {
}
