//===-- Ptxas.cpp - NVIDIA's assembler, where there is one -----------------===//

#include "compiler/Ptxas.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Process.h"
#include "llvm/Support/Program.h"

using namespace llvm;
using namespace treadle;
using namespace treadle::compiler;

std::string compiler::findPtxas() {
  if (std::optional<std::string> chosen = sys::Process::GetEnv("TREADLE_PTXAS"))
    return *chosen;
  if (ErrorOr<std::string> found = sys::findProgramByName("ptxas"))
    return *found;
  ErrorOr<std::string> found = sys::findProgramByName("ptxas", {"/usr/local/cuda/bin"});
  return found ? *found : std::string();
}

/// The number before `unit` in a line such as "Used 12 registers, used 1 barriers, 1024 bytes smem".
static int64_t numberBefore(StringRef line, StringRef unit) {
  StringRef before = line.substr(0, line.find(unit)).rtrim();
  int64_t number = 0;
  if (before.size() != line.size())
    before.substr(before.find_last_not_of("0123456789") + 1).getAsInteger(10, number);
  return number;
}

static void readReport(StringRef report, Assembled &result, Messages &messages) {
  Resources *current = nullptr;
  auto select = [&](StringRef name) {
    for (auto &[entry, resources] : result.resources)
      if (entry == name)
        return &resources;
    return &result.resources.emplace_back(name.str(), Resources()).second;
  };
  for (StringRef line : llvm::split(report, '\n')) {
    if (line.consume_front("ptxas info    : Compiling entry function '")) {
      current = select(line.split('\'').first);
    } else if (line.contains("bytes stack frame") && current) {
      current->stack = numberBefore(line, "bytes stack frame");
      current->spillStores = numberBefore(line, "bytes spill stores");
      current->spillLoads = numberBefore(line, "bytes spill loads");
    } else if (line.contains("Used ") && line.contains(" registers") && current) {
      current->registers = numberBefore(line, "registers");
      current->staticShared = numberBefore(line, "bytes smem");
    } else if (line.contains("warning") || line.contains("Performance Loss")) {
      std::string message = line.split(": ").second.trim().str();
      messages.push_back({Message::Warning, "", 0, 0, "ptxas: " + message, {}});
    }
  }
}

std::optional<Assembled> compiler::assemble(StringRef ptxas, StringRef ptx, StringRef chip, Messages &messages) {
  auto fail = [&](const Twine &message) {
    messages.push_back({Message::Error, "", 0, 0, message.str(), {}});
    return std::nullopt;
  };
  SmallString<128> folder;
  if (std::error_code error = sys::fs::createUniqueDirectory("treadle-ptxas", folder))
    return fail("cannot make a temporary folder for ptxas: " + error.message());
  auto path = [&](StringRef name) {
    SmallString<128> full(folder);
    sys::path::append(full, name);
    return full;
  };
  SmallString<128> input = path("kernel.ptx"), output = path("kernel.cubin"), log = path("log");
  struct Cleanup {
    StringRef folder;
    ~Cleanup() { (void)sys::fs::remove_directories(folder); }
  } cleanup{folder};

  std::error_code error;
  {
    raw_fd_ostream stream(input, error);
    if (!error) {
      stream << ptx;
      stream.close();
      error = stream.error();
      stream.clear_error();
    }
  }
  if (error)
    return fail("cannot write " + input + ": " + error.message());

  std::string arch = ("-arch=" + chip).str(), message;
  SmallVector<StringRef> arguments{ptxas, arch, "-O3", "-v", "-lineinfo", "-o", output, input};
  constexpr StringLiteral apart = "--split-compile=0"; // kernels side by side, from CUDA 12.1 on
  arguments.push_back(apart);
  ErrorOr<std::unique_ptr<MemoryBuffer>> report = std::error_code();
  StringRef text;
  auto run = [&] {
    int code = sys::ExecuteAndWait(ptxas, arguments, std::nullopt, {StringRef(""), log.str(), log.str()},
                                   /*SecondsToWait=*/0, /*MemoryLimit=*/0, &message);
    report = MemoryBuffer::getFile(log, /*IsText=*/true);
    text = report ? (*report)->getBuffer() : StringRef();
    return code;
  };
  int code = run();
  if (code != 0 && text.contains("split-compile")) {
    arguments.pop_back();
    code = run();
  }
  if (code != 0) {
    std::string lines;
    for (StringRef line : llvm::split(text, '\n'))
      if (line.contains("error") || line.contains("fatal"))
        lines += ("\n  " + line).str();
    return fail("ptxas (" + ptxas + ") failed" + (message.empty() ? "" : ": " + message) + lines);
  }
  ErrorOr<std::unique_ptr<MemoryBuffer>> cubin = MemoryBuffer::getFile(output);
  if (!cubin)
    return fail("ptxas wrote no cubin");
  Assembled result;
  result.cubin = (*cubin)->getBuffer().str();
  readReport(text, result, messages);
  return result;
}
