//===-- Options.cpp - what a compile is asked for --------------------------===//

#include "compiler/Compiler.h"

using namespace llvm;
using namespace treadle;
using namespace treadle::compiler;

template <typename... Args> static Error bad(const char *format, const Args &...args) {
  return createStringError(inconvertibleErrorCode(), format, args...);
}

static Error set(Options &options, StringRef key, const json::Value &value) {
  std::string *text = key == "name"       ? &options.name
                      : key == "file"     ? &options.file
                      : key == "arch"     ? &options.arch
                      : key == "dump_dir" ? &options.dumpDir
                      : key == "kernel"   ? &options.kernel
                      : key == "dtype"    ? &options.dtype
                                          : nullptr;
  bool *flag = key == "ptxas"       ? &options.ptxas
               : key == "fast_math" ? &options.fastMath
               : key == "locations" ? &options.locations
                                    : nullptr;
  Phase *phase = key == "from" ? &options.from : key == "emit" ? &options.emit : nullptr;
  if (flag) {
    auto boolean = value.getAsBoolean();
    if (!boolean)
      return bad("option '%s' must be true or false", key.str().c_str());
    *flag = *boolean;
  } else if (key == "constants") {
    if (!value.getAsObject())
      return bad("option 'constants' must be an object");
    options.constants = *value.getAsObject();
  } else if (text || phase) {
    auto string = value.getAsString();
    if (!string)
      return bad("option '%s' must be a string", key.str().c_str());
    if (text) {
      *text = string->str();
      return Error::success();
    }
    auto found = findPhase(*string);
    if (!found)
      return bad("option '%s': unknown phase '%s'; expected one of %s", key.str().c_str(), string->str().c_str(),
                 knownPhases().c_str());
    *phase = *found;
  } else {
    return bad("unknown option '%s'", key.str().c_str());
  }
  return Error::success();
}

Expected<Options> compiler::parseOptions(StringRef text) {
  Options options;
  Expected<json::Value> parsed = json::parse(text.empty() ? StringRef("{}") : text);
  if (!parsed)
    return bad("options are not JSON: %s", toString(parsed.takeError()).c_str());
  const json::Object *object = parsed->getAsObject();
  if (!object)
    return bad("options must be a JSON object");
  for (const auto &[key, value] : *object)
    if (Error error = set(options, key, value))
      return std::move(error);
  if (!findArch(options.arch))
    return bad("unknown architecture '%s'; expected one of %s", options.arch.c_str(), knownArchs().c_str());
  if (options.from > options.emit)
    return bad("cannot go from phase '%s' back to '%s'", nameOf(options.from).str().c_str(),
               nameOf(options.emit).str().c_str());
  if (options.from == Phase::PTX)
    return bad("'ptx' is where compiling ends; there is nothing to start from");
  return options;
}
