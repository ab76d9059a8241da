  %x = tile.extract %x, [05555555555555555555555555555555ant dense<2.0> : densedense<>
