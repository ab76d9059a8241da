//===-- Crash.h - fatal errors that leave the process alive ----------------===//
#ifndef TREADLE_COMPILER_CRASH_H
#define TREADLE_COMPILER_CRASH_H

#include "llvm/ADT/STLFunctionalExtras.h"
#include <string>

namespace treadle::compiler {

/// Runs `body` on a thread with a deep stack. LLVM reports what it cannot compile by ending the process; inside `body`
/// that, or a crash, comes back as false with LLVM's last words (or the signal's number) in `message`. What `body` was
/// using is then in no known state: leak it.
bool runGuarded(llvm::function_ref<void()> body, std::string &message);

} // namespace treadle::compiler

#endif
