//===-- AnyTileShape.h - where tiles need not be powers of two -*- C++ -*-===//
#ifndef TREADLE_TILE_IR_ANY_TILE_SHAPE_H
#define TREADLE_TILE_IR_ANY_TILE_SHAPE_H

#include "mlir/IR/OpDefinition.h"

namespace treadle::tile {

/// Of an op whose regions say what is computed on values of any static shape, from which kernels are yet to be made:
/// inside, the pure ops take such shapes.
template <typename Op>
class AnyTileShape // NOLINT(bugprone-crtp-constructor-accessibility): what derives from it is mlir::Op, not `Op`
    : public mlir::OpTrait::TraitBase<Op, AnyTileShape> {};

} // namespace treadle::tile

#endif
