//===-- FastMath.cpp - what tile.fast_math permits -------------------------===//

#include "compiler/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/Pass.h"

using namespace mlir;

namespace {
struct FastMath : PassWrapper<FastMath, OperationPass<func::FuncOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(FastMath)
  StringRef getArgument() const override { return "treadle-fast-math"; }
  StringRef getDescription() const override { return "float ops of a tile.fast_math kernel may use the approximate units"; }

  void runOnOperation() override {
    if (!getOperation()->hasAttr("tile.fast_math"))
      return;
    getOperation().walk([](arith::ArithFastMathInterface op) {
      auto flags = op.getFastMathFlagsAttr().getValue() | arith::FastMathFlags::afn | arith::FastMathFlags::arcp |
                   arith::FastMathFlags::contract;
      op->setAttr(op.getFastMathAttrName(), arith::FastMathFlagsAttr::get(op->getContext(), flags));
    });
  }
};
} // namespace

std::unique_ptr<Pass> treadle::compiler::createFastMathPass() { return std::make_unique<FastMath>(); }
