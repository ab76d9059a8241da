//===-- Program.cpp - a program as it is read ------------------------------===//

#include "compiler/Program.h"

#include "compiler/Manifest.h"
#include "compiler/Passes.h"
#include "compiler/VerifyKernels.h"
#include "mlir/IR/AsmState.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"

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

Program compiler::readProgram(MLIRContext *context, const std::string &text, StringRef file, Phase phase) {
  Program program;
  ParserConfig config(context);
  OwningOpRef<ModuleOp> module = parseSourceString<ModuleOp>(text, config, file);
  if (!module)
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
