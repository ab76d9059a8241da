//===-- Combine.cpp - what is known of combine regions ---------------------===//

#include "tile/IR/Combine.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace treadle;

TypedAttr tile::neutralElement(Region &region) {
  Block &block = region.front();
  if (block.getOperations().size() != 2 || block.getNumArguments() != 2)
    return {};
  Operation *op = &block.front();
  if (op->getNumOperands() != 2 || op->getNumResults() != 1 ||
      block.getTerminator()->getOperand(0) != op->getResult(0) || op->getOperand(0) == op->getOperand(1) ||
      llvm::any_of(op->getOperands(), [&](Value v) { return v.getParentBlock() != &block; }))
    return {};
  return arith::getNeutralElement(op).value_or(TypedAttr());
}
