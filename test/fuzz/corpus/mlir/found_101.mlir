func.func @transpose(%s: !tile.shared<1 x [, ], ` #l8>,) <
#l8 = #tile.layout{offset = [1, 2, 4Ý>

