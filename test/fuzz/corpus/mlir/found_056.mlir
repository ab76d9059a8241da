func.func @alignef32(%x: !tile.view<?x?xf32, ×lignz 16>
}
