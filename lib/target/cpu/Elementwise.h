//===-- Elementwise.h - one arithmetic op on a scalar or on lanes ----------===//
//
// The CPU code is written on scalars and on short vectors ("lanes") of the LLVM-ready types:
// bf16 and f16 are held as i16, everything else as itself. Operations on 16-bit floats are done in f32 and rounded.
//
#ifndef TREADLE_TARGET_CPU_ELEMENTWISE_H
#define TREADLE_TARGET_CPU_ELEMENTWISE_H

#include "mlir/IR/Builders.h"

namespace treadle::cpu {

/// `element` as it is held; with more than one lane, a vector of it.
mlir::Type laneType(mlir::Type element, int lanes = 1);

/// `scalar` in every lane.
mlir::Value splat(mlir::OpBuilder &b, mlir::Location loc, mlir::Value scalar, int lanes);

/// A constant number of a scalar or vector type.
mlir::Value number(mlir::OpBuilder &b, mlir::Location loc, mlir::Type type, double value);

/// A held value of the given element type as f32, and back.
mlir::Value toF32(mlir::OpBuilder &b, mlir::Location loc, mlir::Value value, mlir::Type element);
mlir::Value fromF32(mlir::OpBuilder &b, mlir::Location loc, mlir::Value value, mlir::Type element);

/// arith.constant, or an arith or math op with the trait ElementwiseMappable, on held operands of `lanes` lanes.
mlir::Value emitElementwise(mlir::OpBuilder &b, mlir::Operation *op, mlir::ValueRange operands, int lanes);

/// exp, log, sin… of f32, to about 2 units in the last place; null for a function that is left to the C library.
mlir::Value emitMath(mlir::OpBuilder &b, mlir::Location loc, llvm::StringRef name, mlir::Value x);

} // namespace treadle::cpu

#endif
