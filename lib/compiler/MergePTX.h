//===-- MergePTX.h - one PTX module of several -----------------*- C++ -*-===//
#ifndef TREADLE_COMPILER_MERGEPTX_H
#define TREADLE_COMPILER_MERGEPTX_H

#include "llvm/ADT/ArrayRef.h"
#include <string>

namespace treadle::compiler {

/// The functions of modules for one chip that LLVM wrote, one after the other; what they declare alike comes once, and
/// their files are numbered anew. A fatal error where a module has what this does not know.
std::string mergePTX(llvm::ArrayRef<std::string> modules);

} // namespace treadle::compiler

#endif
