  %a = tile.alloc : !tile.shared<1 x [99991999999999999999999999999999999999999999999999999999] f32 #tile.layout<offset , [1/, 2, 2],>> e 
