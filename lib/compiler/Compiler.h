//===-- Compiler.h - from MLIR text to any phase ---------------------------===//
#ifndef TREADLE_COMPILER_COMPILER_H
#define TREADLE_COMPILER_COMPILER_H

#include "compiler/Messages.h"
#include "compiler/Phases.h"
#include <map>
#include <memory>

namespace treadle {
class CpuKernel;
}

namespace treadle::compiler {

struct Options {
  std::string name;                 ///< of the bundle; default: the first kernel's
  std::string kernel;               ///< for a CPU: which of several
  std::string file = "kernel.mlir"; ///< what the text is called in messages
  std::string arch = "sm_90a";
  Phase from = Phase::Tile, emit = Phase::PTX;
  bool ptxas = true;            ///< make a cubin where `ptxas` is found
  bool fastMath = false;        ///< every kernel is `tile.fast_math`
  bool locations = false;       ///< MLIR text is printed with its locations
  std::string dumpDir;          ///< if not empty: the text of every phase is written here
  std::string dtype;            ///< for the manifest
  llvm::json::Object constants; ///< for the manifest
};

/// Reads options from JSON; an error names the key.
llvm::Expected<Options> parseOptions(llvm::StringRef json);

struct Result {
  bool ok = false;
  Messages messages;
  /// `text` (the program at the phase asked for), and with PTX: `ptx`, `cubin`, `manifest`,
  /// `header`, and `mlir`, the text compiled.
  std::map<std::string, std::string> artifacts;
  std::vector<std::pair<std::string, double>> milliseconds; ///< by phase
};

/// Compiles. Never ends the process: what LLVM cannot compile is an error, and leaves a reproducer.
Result compile(llvm::StringRef text, const Options &options);

/// Compiles a kernel of a program in phase `tile`, the only one or the one that is named, for this machine. The
/// artifacts are `manifest` alone; `kernel` is set when all went well.
Result compileForCpu(llvm::StringRef text, const Options &options, std::unique_ptr<CpuKernel> &kernel);

} // namespace treadle::compiler

#endif
