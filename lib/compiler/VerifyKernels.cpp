//===-- VerifyKernels.cpp - what a tile program may consist of --------------===//
//
// The verifiers of the ops see one op each. What the phases rely on beyond that is checked here once, before any pass.
//
//===----------------------------------------------------------------------===//

#include "compiler/VerifyKernels.h"

#include "compiler/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/UB/IR/UBOps.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Pass/Pass.h"
#include "tile/IR/Tile.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace treadle;
using namespace treadle::compiler;
using namespace treadle::tile;

static bool isElement(Type type) {
  return type.isF32() || type.isF16() || type.isBF16() || type.isSignlessInteger(64) || type.isSignlessInteger(32) ||
         type.isSignlessInteger(16) || type.isSignlessInteger(8) || type.isSignlessInteger(1);
}

static bool isScheduledOp(Operation *op) {
  return isa<ConvertLayoutOp, AllocOp, SlotOp, SharedTransposeOp, AsyncLoadOp, CommitOp, WaitOp, LocalLoadOp,
             LocalStoreOp, BarrierOp>(op);
}

static bool isKnownOp(Operation *op) {
  return isa<scf::ForOp, scf::IfOp, scf::WhileOp, scf::YieldOp, scf::ConditionOp, func::CallOp, func::ReturnOp,
             ub::PoisonOp>(op) ||
         isa_and_nonnull<TileDialect, arith::ArithDialect, math::MathDialect>(op->getDialect());
}

namespace {
class Verifier {
public:
  Verifier(ModuleOp module, Phase phase)
      : module(module), symbols(module), phase(phase), scheduled(phase == Phase::Scheduled) {}

  LogicalResult run() {
    for (Operation &op : *module.getBody()) {
      auto func = dyn_cast<func::FuncOp>(op);
      if (!func)
        return notPart(&op);
      if (isKernel(func) && failed(verify(func)))
        return failure();
    }
    return success();
  }

private:
  LogicalResult notPart(Operation *op) {
    return op->emitError() << "'" << op->getName()
                           << "' is not part of a tile program; expected tile, arith, math, scf.for, scf.if, scf.while "
                              "and func.call";
  }

  /// A kernel, and the functions that it calls, which may be as many and as deep as the program is long.
  LogicalResult verify(func::FuncOp kernel) {
    warps = numWarps(kernel);
    SmallVector<Function> path;
    if (failed(enter(kernel, path)))
      return failure();
    while (!path.empty()) {
      if (path.back().calls.empty()) {
        states[path.pop_back_val().func] = Done;
        continue;
      }
      func::CallOp call = path.back().calls.pop_back_val();
      auto callee = symbols.lookup<func::FuncOp>(call.getCallee()); // exists: the parser looked
      auto state = states.find(callee);
      if (state != states.end() && state->second == Active)
        return call.emitError() << "a function cannot call itself, found a call of '" << call.getCallee() << "'";
      if (state == states.end() && failed(enter(callee, path)))
        return failure();
    }
    return success();
  }

  /// A function on the path of calls from a kernel, and its calls that are still to follow, the next one last.
  struct Function {
    func::FuncOp func;
    SmallVector<func::CallOp, 4> calls;
  };

  LogicalResult enter(func::FuncOp func, SmallVectorImpl<Function> &path) {
    StringRef what = isKernel(func) ? "a kernel" : "a function that a kernel calls";
    states[func] = Active;
    if (func.isDeclaration())
      return func.emitError() << what << " needs a body, found a declaration";
    if (size_t blocks = func.getBody().getBlocks().size(); blocks != 1)
      return func.emitError() << what << " has one block, found " << blocks << "; use scf.if, scf.for and scf.while";
    for (Type type : func.getArgumentTypes())
      if (!isa<ViewType>(type) && failed(verifyType(func, type)))
        return failure();
    Function &function = path.emplace_back(Function{func, {}});
    WalkResult result = func.getBody().walk<WalkOrder::PreOrder>([&](Operation *op) {
      if (auto call = dyn_cast<func::CallOp>(op))
        function.calls.push_back(call);
      return succeeded(verifyOp(op)) ? WalkResult::advance() : WalkResult::interrupt();
    });
    std::reverse(function.calls.begin(), function.calls.end());
    return failure(result.wasInterrupted());
  }

  LogicalResult verifyOp(Operation *op) {
    if (!isKnownOp(op))
      return notPart(op);
    if (!scheduled && isScheduledOp(op))
      return op->emitError() << "'" << op->getName()
                             << "' is an op of phase 'scheduled'; expected a program that names no threads";
    if (auto constant = dyn_cast<arith::ConstantOp>(op);
        constant && isa<ShapedType>(constant.getType()) && !isa<DenseElementsAttr>(constant.getValue()))
      return op->emitError() << "a constant tile is written dense<...>, found " << constant.getValue();
    for (Type type : op->getResultTypes())
      if (!isa<SliceOp, NarrowOp>(op) && failed(verifyType(op, type)))
        return failure();
    for (Region &region : op->getRegions())
      for (BlockArgument argument : region.getArguments())
        if (failed(verifyType(op, argument.getType())))
          return failure();
    auto call = dyn_cast<func::CallOp>(op);
    return call ? verifyCall(call) : success();
  }

  LogicalResult verifyCall(func::CallOp call) {
    if (phase != Phase::Tile)
      return call.emitError() << "calls are inlined at phase 'tile', found a call of '" << call.getCallee() << "'";
    if (isKernel(symbols.lookup<func::FuncOp>(call.getCallee())))
      return call.emitError() << "a kernel cannot be called, found a call of '" << call.getCallee() << "'";
    return success();
  }

  /// The type of a value other than an argument of a function.
  LogicalResult verifyType(Operation *op, Type type) {
    if (isa<ViewType>(type))
      return op->emitError() << "a view is an argument of the kernel, used by tile ops as it is; '" << op->getName()
                             << "' cannot carry or select one, found " << type;
    if (scheduled && isa<SharedType>(type))
      return success();
    auto tensor = dyn_cast<RankedTensorType>(type);
    if (!tensor) {
      if (isElement(type) || type.isIndex())
        return success();
      return op->emitError() << "expected tiles, or scalars of f32, f16, bf16, i64, i32, i16, i8, i1 or index, found "
                             << type;
    }
    if (!isElement(tensor.getElementType()))
      return op->emitError() << "a tile's elements are f32, f16, bf16, i64, i32, i16, i8 or i1, found " << type;
    if (failed(verifyTile(op, type)))
      return failure();
    if (!scheduled && tensor.getEncoding())
      return op->emitError() << "a tile has no encoding before phase 'scheduled', found " << type;
    if (!scheduled)
      return success();
    if (!hasLayout(type))
      return op->emitError() << "a tile has a #tile.layout from phase 'scheduled' on, found " << type;
    if (int found = layoutOf(tensor).numWarps(); found != warps)
      return op->emitError() << "expected a layout of " << warps << " warps, as the kernel has, found " << found
                             << " in " << type;
    return success();
  }

  enum State { Active, Done };
  ModuleOp module;
  SymbolTable symbols;
  Phase phase;
  bool scheduled;
  int64_t warps = 0; ///< of the kernel being verified
  DenseMap<func::FuncOp, State> states;
};

struct VerifyKernelsPass : PassWrapper<VerifyKernelsPass, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(VerifyKernelsPass)
  StringRef getArgument() const final { return "treadle-verify-kernels"; }
  StringRef getDescription() const final { return "check what the phases after `tile` rely on"; }
  void runOnOperation() final {
    if (failed(verifyKernels(getOperation(), Phase::Tile)))
      signalPassFailure();
  }
};
} // namespace

LogicalResult compiler::verifyKernels(ModuleOp module, Phase phase) { return Verifier(module, phase).run(); }

std::unique_ptr<Pass> compiler::createVerifyKernelsPass() { return std::make_unique<VerifyKernelsPass>(); }
