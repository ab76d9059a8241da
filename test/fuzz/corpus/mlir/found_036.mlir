#l16 = #tile.layout<cf.br =ÿÿÿ[ÿ02,  8]>
