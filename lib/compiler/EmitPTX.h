//===-- EmitPTX.h - from the LLVM dialect to PTX ---------------------------===//
#ifndef TREADLE_COMPILER_EMITPTX_H
#define TREADLE_COMPILER_EMITPTX_H

#include "compiler/Arch.h"
#include "compiler/Messages.h"
#include "mlir/IR/BuiltinOps.h"
#include <memory>

namespace llvm {
class LLVMContext;
class Module;
class TargetMachine;
} // namespace llvm

namespace treadle::compiler {

/// LLVM IR on its way to one chip. Leak it when a call crashes.
class PTXEmitter {
public:
  /// What LLVM says goes to `messages`.
  PTXEmitter(const Arch &arch, Messages &messages);
  ~PTXEmitter();

  /// Takes a module of the LLVM and NVVM dialects; false with messages when it cannot be translated.
  bool translate(mlir::ModuleOp module);
  /// Takes LLVM IR text.
  bool parse(llvm::StringRef text, llvm::StringRef file);

  std::string printIR() const;
  /// Optimises and generates code.
  std::string emit();

private:
  bool finish();

  Messages &messages;
  std::unique_ptr<llvm::TargetMachine> machine;
  std::unique_ptr<llvm::LLVMContext> context;
  std::unique_ptr<llvm::Module> module;
};

} // namespace treadle::compiler

#endif
