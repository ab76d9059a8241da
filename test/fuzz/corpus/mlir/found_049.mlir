  tile.async_wait 2
tile.async_wait @f(%a: wait 2
}
