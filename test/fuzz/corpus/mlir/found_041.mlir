  %c0 = arith.constant 1  c.findexb.fkernen1.if
