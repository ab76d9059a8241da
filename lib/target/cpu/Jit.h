//===-- Jit.h - kernels compiled for and run on the host -------------------===//
#ifndef TREADLE_TARGET_CPU_JIT_H
#define TREADLE_TARGET_CPU_JIT_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <cstdint>
#include <memory>
#include <string>

namespace mlir {
class ModuleOp;
}

namespace treadle {

class CpuKernel {
public:
  /// Compiles the kernel `name` of a module in the pure stage; "" takes the only one. The module is left as it is.
  /// `cpu` is the name of a processor as LLVM has it, such as "x86-64-v3"; "" is this machine. Errors carry the text of
  /// the diagnostics. (Should LLVM itself fail, it ends the process: guard the call where that matters.)
  static llvm::Expected<std::unique_ptr<CpuKernel>> compile(mlir::ModuleOp module, llvm::StringRef name = "",
                                                            llvm::StringRef cpu = "");
  ~CpuKernel();

  const std::string &name() const;

  /// Runs every block of the grid and returns when all are done. params[i] points to the value of argument i of
  /// `tile::kernelAbi`. `numThreads` 0: one per core. Blocks run in any order; results do not depend on it. May be
  /// called from several threads at once.
  void launch(const int64_t grid[3], void **params, int numThreads = 0) const;

private:
  struct Impl;
  explicit CpuKernel(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl;
};

} // namespace treadle

#endif
