//===-- Program.cpp - a program as it is read ------------------------------===//

#include "compiler/Program.h"

#include "compiler/Manifest.h"
#include "compiler/Passes.h"
#include "compiler/VerifyKernels.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/AsmState.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "tile/IR/Tile.h"
#include "treadle/Transforms/Passes.h"

using namespace mlir;
using namespace treadle;
using namespace treadle::compiler;

std::unique_ptr<MLIRContext> compiler::makeContext() {
  DialectRegistry registry;
  registerDialects(registry);
  auto context = std::make_unique<MLIRContext>(registry, MLIRContext::Threading::DISABLED);
  context->loadAllAvailableDialects();
  context->printOpOnDiagnostic(false);
  return context;
}

/// Mixers become kernels.
static LogicalResult lowerMixers(ModuleOp module, StringRef chip, const llvm::StringMap<int64_t> &shares) {
  auto functions = module.getOps<func::FuncOp>();
  if (llvm::none_of(functions, [](func::FuncOp function) { return function->hasAttr("treadle.mixer"); }))
    return success();
  PassManager passes(module.getContext(), ModuleOp::getOperationName());
  ChunkOptions options;
  if (!chip.empty())
    options.sharedBytes = tile::sharedLimit(chip);
  Builder builder(module.getContext());
  SmallVector<NamedAttribute> attributes;
  for (const auto &[name, bytes] : shares)
    attributes.push_back(builder.getNamedAttr(name, builder.getI64IntegerAttr(bytes)));
  if (!attributes.empty())
    module->setAttr("treadle.shared_bytes", builder.getDictionaryAttr(attributes));
  SeparateOptions separate;
  separate.sharedBytes = options.sharedBytes;
  passes.addPass(createDifferentiate());
  passes.addPass(createSeparate(separate));
  passes.addPass(createSplitAxes());
  passes.addPass(createChunk(options));
  passes.addPass(createSequential());
  return passes.run(module);
}

Program compiler::readProgram(MLIRContext *context, const std::string &text, StringRef file, Phase phase,
                              StringRef chip, const llvm::StringMap<int64_t> &shares) {
  Program program;
  ParserConfig config(context);
  OwningOpRef<ModuleOp> module = parseSourceString<ModuleOp>(text, config, file);
  if (!module || (phase == Phase::Tile && failed(lowerMixers(*module, chip, shares))))
    return program;
  if (phase <= Phase::Scheduled) {
    if (failed(verifyKernels(*module, phase)))
      return program;
    if (auto described = describeKernels(*module))
      program.manifest = std::move(*described);
  }
  program.module = std::move(module);
  return program;
}
