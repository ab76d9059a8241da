//===-- Manifest.h - what the runtime must know about a kernel -------------===//
#ifndef TREADLE_COMPILER_MANIFEST_H
#define TREADLE_COMPILER_MANIFEST_H

#include "compiler/Ptxas.h"
#include "mlir/IR/BuiltinOps.h"

namespace treadle::compiler {

/// The attribute of an `llvm.func` kernel that says how many bytes of dynamic shared memory a launch gives it.
constexpr llvm::StringLiteral sharedBytesAttr = "treadle.shared_bytes";

/// "params" and "launches" (format 1, lib/runtime/README.md) of the kernels of a module in the `tile` dialect. Nothing
/// when there is no kernel; an error on the op when kernels do not fit together.
std::optional<llvm::json::Object> describeKernels(mlir::ModuleOp module);

/// Writes the dynamic shared memory of each kernel of a lowered module into "launches".
void addSharedBytes(mlir::ModuleOp module, llvm::json::Object &manifest);

/// Writes what identifies the program.
void beginManifest(llvm::json::Object &manifest, llvm::StringRef name, llvm::StringRef arch);

/// Writes what the PTX and `ptxas` say, and the names of the files.
void finishManifest(llvm::json::Object &manifest, llvm::StringRef name, llvm::StringRef ptx,
                    const std::optional<Assembled> &assembled);

/// Two-space indented, one entry of a list of objects per line.
std::string printManifest(const llvm::json::Object &manifest);

} // namespace treadle::compiler

#endif
