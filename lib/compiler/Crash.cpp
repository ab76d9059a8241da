//===-- Crash.cpp - fatal errors that leave the process alive --------------===//

#include "compiler/Crash.h"

#include "llvm/Support/CrashRecoveryContext.h"
#include "llvm/Support/ErrorHandling.h"
#include <mutex>

using namespace llvm;

static thread_local std::string *lastWords = nullptr;

static void onFatalError(void *, const char *reason, bool) {
  auto *context = CrashRecoveryContext::GetCurrent();
  if (!context || !lastWords)
    return; // not ours: LLVM ends the process as it would have
  *lastWords = reason;
  context->HandleExit(1);
}

/// LLVM's signal handlers belong to the process, so they are there only while something runs under them.
namespace {
struct Handlers {
  Handlers() {
    std::lock_guard<std::mutex> lock(mutex);
    if (users++ == 0)
      CrashRecoveryContext::Enable();
  }
  ~Handlers() {
    std::lock_guard<std::mutex> lock(mutex);
    if (--users == 0)
      CrashRecoveryContext::Disable();
  }
  static inline std::mutex mutex;
  static inline unsigned users = 0;
};
} // namespace

bool treadle::compiler::runGuarded(function_ref<void()> body, std::string &message) {
  static std::once_flag once;
  std::call_once(once, [] { install_fatal_error_handler(onFatalError); });

  Handlers handlers;
  CrashRecoveryContext context;
  bool done = context.RunSafelyOnThread(
      [&] {
        lastWords = &message;
        body();
      },
      /*RequestedStackSize=*/64u << 20);
  if (!done && message.empty())
    message = context.RetCode > 128 ? "signal " + std::to_string(context.RetCode - 128) : "unknown reason";
  return done;
}
