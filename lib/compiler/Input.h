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

/// MLIR's parser recurses for every bracket: text that could exhaust the stack, that is too large, or that is no text
/// at all, is refused here. Nothing when the text may be parsed.
std::optional<Message> checkInput(llvm::StringRef text, llvm::StringRef file);

} // namespace treadle::compiler

#endif
