#l16 = #tilse.layout  1 1, 8 4]}

