//===-- treadle.cpp - the compiler as a C library --------------------------===//

#include "capi/treadle.h"

#include "compiler/Compiler.h"
#include "compiler/Ptxas.h"
#include "compiler/Version.h"
#include "target/cpu/Jit.h"

using namespace treadle::compiler;

struct treadle_result {
  Result result;
  std::string diagnostics, timings;
};

struct treadle_cpu_kernel {
  std::unique_ptr<treadle::CpuKernel> kernel;
};

static std::string print(const llvm::json::Value &value) {
  std::string text;
  llvm::raw_string_ostream(text) << value;
  return text;
}

static treadle_result *finish(Result result) {
  llvm::json::Array messages;
  for (const Message &message : result.messages)
    messages.push_back(toJSON(message));
  llvm::json::Object timings;
  for (const auto &[phase, milliseconds] : result.milliseconds)
    timings[phase] = milliseconds;
  std::string diagnostics = print(std::move(messages));
  return new treadle_result{std::move(result), std::move(diagnostics), print(std::move(timings))};
}

const char *treadle_version(void) { return versionText; }

/// Compiles with the options of a JSON text.
static treadle_result *run(const char *json, llvm::function_ref<Result(const Options &)> compile) {
  llvm::Expected<Options> options = parseOptions(json ? json : "{}");
  if (options)
    return finish(compile(*options));
  Result result;
  result.messages.push_back({Message::Error, "", 0, 0, llvm::toString(options.takeError()), {}});
  return finish(std::move(result));
}

size_t treadle_find_ptxas(char *path, size_t size) {
  std::string found = findPtxas();
  if (size)
    snprintf(path, size, "%s", found.c_str());
  return found.size();
}

treadle_result *treadle_compile(const char *mlir, size_t len, const char *options_json) {
  return run(options_json, [&](const Options &options) { return compile(llvm::StringRef(mlir, len), options); });
}

treadle_result *treadle_cpu_compile(const char *mlir, size_t len, const char *options_json,
                                    treadle_cpu_kernel **kernel) {
  std::unique_ptr<treadle::CpuKernel> compiled;
  treadle_result *result = run(options_json, [&](const Options &options) {
    return compileForCpu(llvm::StringRef(mlir, len), options, compiled);
  });
  *kernel = compiled ? new treadle_cpu_kernel{std::move(compiled)} : nullptr;
  return result;
}

void treadle_cpu_launch(const treadle_cpu_kernel *kernel, const int64_t grid[3], void **params, int threads) {
  kernel->kernel->launch(grid, params, threads);
}

void treadle_cpu_free(treadle_cpu_kernel *kernel) { delete kernel; }

int treadle_result_ok(const treadle_result *result) { return result->result.ok; }
const char *treadle_result_diagnostics(const treadle_result *result) { return result->diagnostics.c_str(); }
const char *treadle_result_timings(const treadle_result *result) { return result->timings.c_str(); }

const char *treadle_result_artifact(const treadle_result *result, const char *name, size_t *len) {
  auto it = result->result.artifacts.find(name);
  if (it == result->result.artifacts.end())
    return nullptr;
  if (len)
    *len = it->second.size();
  return it->second.c_str();
}

void treadle_result_free(treadle_result *result) { delete result; }
