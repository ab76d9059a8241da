//===-- Program.h - a program as it is read --------------------*- C++ -*-===//
#ifndef TREADLE_COMPILER_PROGRAM_H
#define TREADLE_COMPILER_PROGRAM_H

#include "compiler/Phases.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/JSON.h"

namespace treadle::compiler {

/// A context with every dialect loaded, for one thread.
std::unique_ptr<mlir::MLIRContext> makeContext();

struct Program {
  mlir::OwningOpRef<mlir::ModuleOp> module; ///< null where the text cannot be read
  llvm::json::Object manifest;              ///< as yet without the image; empty where nothing is known of kernels
};

/// Parses and verifies text that `checkInput` let through; MLIR's lexer reads the 0 after its end. What is wrong with
/// it goes to the handler of the context's diagnostics. Mixers become kernels, of blocks for `chip`; "": for a CPU.
/// shares: bytes of shared memory that those of some may have by their estimate, where a block's is not what they take.
Program readProgram(mlir::MLIRContext *context, const std::string &text, llvm::StringRef file, Phase phase,
                    llvm::StringRef chip = "", const llvm::StringMap<int64_t> &shares = {});

} // namespace treadle::compiler

#endif
