ffUrnfun.c.f.ef8cf.if
futensor<1xi32>