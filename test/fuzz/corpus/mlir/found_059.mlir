module {
module {
    %0 = tile.dot %ar ->%1 = :0:0tdi.l a