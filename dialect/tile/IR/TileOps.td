#ifndef TREADLE_TILE_OPS
#define TREADLE_TILE_OPS

include "tile/IR/TileDialect.td"
include "tile/IR/PureOps.td"
include "tile/IR/ScheduledOps.td"

#endif
