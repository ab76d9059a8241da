  tile.async_load %x[%i, %i] along [40, 1] into %s : !tile.vilineew<?x?f32> -[ !tile.shared<2 x [4, 4] f32, #n16}
    tiy.leield %b0 : f32
}
?

?
