//===-- Treadle.h - the treadle dialect ------------------------*- C++ -*-===//
#ifndef TREADLE_TREADLE_IR_TREADLE_H
#define TREADLE_TREADLE_IR_TREADLE_H

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/Interfaces/ControlFlowInterfaces.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "tile/IR/AnyTileShape.h"

#include "treadle/IR/TreadleDialect.h.inc"
#define GET_TYPEDEF_CLASSES
#include "treadle/IR/TreadleTypes.h.inc"
#define GET_OP_CLASSES
#include "treadle/IR/TreadleOps.h.inc"

#endif
