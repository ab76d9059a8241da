//===-- treadle.cpp - the compiler as a C library --------------------------===//

#include "capi/treadle.h"

#include "compiler/Compiler.h"
#include "compiler/Version.h"

using namespace treadle::compiler;

struct treadle_result {
  Result result;
  std::string diagnostics, timings;
};

static std::string print(llvm::json::Value value) {
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

treadle_result *treadle_compile(const char *mlir, size_t len, const char *options_json) {
  llvm::Expected<Options> options = parseOptions(options_json ? options_json : "{}");
  if (options)
    return finish(compile(llvm::StringRef(mlir, len), *options));
  Result result;
  result.messages.push_back({Message::Error, "", 0, 0, llvm::toString(options.takeError()), {}});
  return finish(std::move(result));
}

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
