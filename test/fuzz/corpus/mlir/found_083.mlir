#l16 =loc( #tile.layout<offset = [1, 2, 4, 8]>
  returntile.defaualong 0  : f32
=
