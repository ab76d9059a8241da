  oc5)
    "tile.store"(%4#0 %arg0,, %0, %0,) ({along  array<index: >}>   anh %c3 : f32
   æ%first = urn
}
}
