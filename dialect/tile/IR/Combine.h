//===-- Combine.h - what is known of combine regions -----------*- C++ -*-===//
#ifndef TREADLE_TILE_IR_COMBINE_H
#define TREADLE_TILE_IR_COMBINE_H

#include "mlir/IR/BuiltinAttributeInterfaces.h"
#include "mlir/IR/Region.h"

namespace treadle::tile {

/// The value that a combine region of one op, such as an addition, leaves others unchanged by; null for other regions.
mlir::TypedAttr neutralElement(mlir::Region &region);

} // namespace treadle::tile

#endif
