  %y = tile.program_id 1
