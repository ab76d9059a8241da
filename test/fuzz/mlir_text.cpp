// Any bytes as a program: refused with an error, or accepted and printed as text that is accepted again. Runs what the
// compiler runs before its first pass, without the recovery from crashes.

#include "compiler/Input.h"
#include "compiler/Program.h"
#include "mlir/IR/AsmState.h"
#include "mlir/IR/MLIRContext.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/Support/xxhash.h"
#include <cstring>
#include <sys/resource.h>

using namespace treadle::compiler;

/// LLVM's libraries are not instrumented: they neither unpoison what our code poisons nor annotate their containers.
extern "C" const char *__asan_default_options() { return "allow_user_poisoning=0:detect_container_overflow=0"; }

extern "C" int LLVMFuzzerInitialize(int *, char ***) {
  rlimit stack{};
  getrlimit(RLIMIT_STACK, &stack);
  stack.rlim_cur = 64u << 20; // as the compiler's thread has
  return setrlimit(RLIMIT_STACK, &stack);
}

/// Coverage of the libraries that are not instrumented: what they say, and what they build.
__attribute__((section("__libfuzzer_extra_counters"))) static uint8_t reached[8192];

static void reach(llvm::StringRef what) { reached[llvm::xxh3_64bits(what) % std::size(reached)] = 1; }

/// Without the names, types and numbers in it, a message is of one line of code.
static void reach(const Message &message) {
  std::string text;
  bool quoted = false;
  for (char c : llvm::StringRef(message.message).take_until([](char c) { return strchr("<!#%@`", c) != nullptr; })) {
    quoted ^= c == '\'' || c == '"';
    if (!quoted && !llvm::isDigit(c))
      text += c;
  }
  reach(llvm::StringRef(text));
}

[[noreturn]] static void fail(const char *what, const Messages &messages, llvm::StringRef text) {
  llvm::errs() << what << "\n" << text << "\n";
  for (const Message &message : messages)
    llvm::errs() << toJSON(message) << "\n";
  abort();
}

/// The program as the compiler prints it; nothing when it is refused.
static std::optional<std::string> read(mlir::MLIRContext &context, const std::string &text, Phase phase,
                                       Messages &messages) {
  if (auto refused = checkInput(text, "kernel.mlir")) {
    messages.push_back(*refused);
    return std::nullopt;
  }
  Collector collector(&context, messages);
  Program program = readProgram(&context, text, "kernel.mlir", phase);
  if (!program.module || hasError(messages))
    return std::nullopt;
  std::string printed;
  llvm::raw_string_ostream stream(printed);
  program.module->print(stream);
  program.module->walk([](mlir::Operation *op) { reach(op->getName().getStringRef()); });
  return printed;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  // What a context interns stays: it serves as many programs as one of the compiler's.
  static std::unique_ptr<mlir::MLIRContext> context;
  static unsigned uses = 0;
  if (uses++ % 256 == 0)
    context = makeContext();

  std::string text(reinterpret_cast<const char *>(data), size);
  Phase phase = llvm::StringRef(text).contains("#tile.layout") ? Phase::Scheduled : Phase::Tile;
  Messages messages;
  std::optional<std::string> printed = read(*context, text, phase, messages);
  if (!printed && messages.empty())
    fail("refused without an error", messages, text);
  std::string shown;
  for (const Message &message : messages) {
    reach(message);
    llvm::raw_string_ostream(shown) << toJSON(message);
  }
  if (!printed)
    return 0;
  messages.clear();
  std::optional<std::string> again = read(*context, *printed, phase, messages);
  if (!again)
    fail("what was accepted is refused once printed", messages, *printed);
  // Resources are renamed when a context has had one of the name.
  if (*again != *printed && !llvm::StringRef(*printed).contains("dense_resource"))
    fail("what was printed is printed differently", messages, *printed + "\nand then\n" + *again);
  return 0;
}
