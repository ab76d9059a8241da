 @f{
   = tile.loa[%i%i[ %i along [1] i16777215 
}
