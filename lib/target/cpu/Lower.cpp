//===-- Lower.cpp - the pass tile-lower-to-cpu ---------------------------===//

#include "target/cpu/Emitter.h"

#include "mlir/Dialect/Math/IR/Math.h"
#include "target/cpu/Passes.h"

using namespace mlir;
using namespace treadle;
using namespace treadle::cpu;

static LogicalResult checkSupported(func::FuncOp kernel) {
  auto result = kernel.walk([&](Operation *op) -> WalkResult {
    auto refuse = [&]() { return op->emitError() << "'" << op->getName() << "' is not supported by the CPU target"; };
    if (op == kernel.getOperation() || isa<func::ReturnOp>(op))
      return WalkResult::advance();
    for (Type type :
         llvm::concat<const Type>(SmallVector<Type>(op->getOperandTypes()), SmallVector<Type>(op->getResultTypes())))
      if (auto tensor = dyn_cast<RankedTensorType>(type))
        if (!tensor.getElementType().isIntOrFloat() || tensor.getElementTypeBitWidth() > 64 || tensor.getEncoding() ||
            !tensor.hasStaticShape())
          return refuse() << ": no tiles of type " << type;
    if (isa<tile::TileDialect>(op->getDialect())) {
      if (!isa<tile::ProgramIdOp, tile::DimOp, tile::SliceOp, tile::NarrowOp, tile::LoadOp, tile::StoreOp, tile::IotaOp,
               tile::SplatOp, tile::ExpandDimsOp, tile::BroadcastOp, tile::TransposeOp, tile::ReshapeOp,
               tile::ExtractOp, tile::DotOp, tile::ReduceOp, tile::ScanOp, tile::YieldOp>(op))
        return refuse() << ": it belongs to the scheduled stage";
      return WalkResult::advance();
    }
    if (isa<scf::ForOp, scf::IfOp, scf::WhileOp, scf::YieldOp, scf::ConditionOp>(op) || isElementwise(op))
      return WalkResult::advance();
    bool tiles = llvm::any_of(op->getOperands(), tileType) || llvm::any_of(op->getResults(), tileType);
    if (tiles || op->getNumRegions() || !isa<arith::ArithDialect, math::MathDialect>(op->getDialect()))
      return refuse();
    return WalkResult::advance();
  });
  return failure(result.wasInterrupted());
}

namespace {
struct LowerToCpu : PassWrapper<LowerToCpu, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(LowerToCpu)
  LowerToCpu() = default;
  LowerToCpu(const LowerToCpu &other) : PassWrapper(other) {}
  StringRef getArgument() const override { return "tile-lower-to-cpu"; }
  StringRef getDescription() const override { return "kernels in the pure stage to loops for one block on the host"; }
  void getDependentDialects(DialectRegistry &registry) const override {
    registry.insert<LLVM::LLVMDialect, arith::ArithDialect, math::MathDialect, scf::SCFDialect>();
  }
  Option<int> vectorBits{*this, "vector-bits", llvm::cl::desc("width of the machine's vector registers"),
                         llvm::cl::init(256)};

  void runOnOperation() override {
    SmallVector<func::FuncOp> kernels;
    for (auto function : getOperation().getOps<func::FuncOp>())
      if (tile::isKernel(function))
        kernels.push_back(function);
    for (func::FuncOp kernel : kernels) {
      if (failed(checkSupported(kernel)))
        return signalPassFailure();
      OpBuilder b(kernel);
      Type i64 = b.getI64Type();
      auto type = b.getFunctionType({LLVM::LLVMPointerType::get(&getContext()), i64, i64, i64}, {});
      auto entry = func::FuncOp::create(b, kernel.getLoc(), kernel.getName(), type);
      Emitter emitter(kernel, entry, vectorBits);
      emitter.run();
      b.setInsertionPointToEnd(&entry.getBody().front());
      func::ReturnOp::create(b, kernel.getLoc());
      entry->setAttr("treadle.stack_bytes", b.getI64IntegerAttr(emitter.stackBytes()));
      kernel.erase();
    }
  }
};
} // namespace

std::unique_ptr<Pass> cpu::createLowerToCpuPass(int vectorBits) {
  auto pass = std::make_unique<LowerToCpu>();
  pass->vectorBits = vectorBits;
  return pass;
}

void cpu::registerCpuPasses() {
  PassRegistration<LowerToCpu>();
  registerPass([] { return createCpuToLLVMPass(); });
}
