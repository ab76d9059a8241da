#layout = #tile.layout<reg = [], lane = [1, 2, 4, 0, 0], в = []>
ннннн()
