//===-- Input.h - what the parser is never shown ---------------------------===//
#ifndef TREADLE_COMPILER_INPUT_H
#define TREADLE_COMPILER_INPUT_H

#include "compiler/Messages.h"
#include <optional>

namespace treadle::compiler {

constexpr size_t maxInputBytes = 16 << 20;
constexpr unsigned maxNesting = 200;
/// Affine expressions are parsed and simplified recursively, operator by operator.
constexpr size_t maxAffineBytes = 4096;
/// A number, and sizes as in `4x4xf32`, take time quadratic in their length to read.
constexpr size_t maxWordBytes = 4096;
/// Every value of an integer type takes as much memory, and time quadratic in it to print.
constexpr size_t maxIntegerBits = 1024;

/// MLIR's parser recurses for every bracket, and what it has read is printed with every alias written out: text that
/// could exhaust the stack or the memory, that is too large, that is no text at all, or that MLIR is known to crash on
/// (a dense array of no numbers), is refused here. Nothing when the text may be parsed.
std::optional<Message> checkInput(llvm::StringRef text, llvm::StringRef file);

} // namespace treadle::compiler

#endif
