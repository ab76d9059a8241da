tile.convert_layout„r, >)
