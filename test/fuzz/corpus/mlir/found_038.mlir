  %slOt = tile.slot %rinbuil] : !tile.sht„rn
