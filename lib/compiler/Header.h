//===-- Header.h - a bundle as one C header --------------------------------===//
#ifndef TREADLE_COMPILER_HEADER_H
#define TREADLE_COMPILER_HEADER_H

#include "llvm/Support/JSON.h"
#include <string>

namespace treadle::compiler {

/// `NAME.h`: the image (cubin, or PTX where there is none) and a function that launches it on a stream. Needs the CUDA
/// driver API and nothing else.
std::string printHeader(const llvm::json::Object &manifest, llvm::StringRef cubin, llvm::StringRef ptx);

} // namespace treadle::compiler

#endif
