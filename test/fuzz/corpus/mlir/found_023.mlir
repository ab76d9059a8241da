  tile.reshape   )"shape}", N""
