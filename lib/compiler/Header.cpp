//===-- Header.cpp - a bundle as one C header ------------------------------===//

#include "compiler/Header.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/FormatVariadic.h"

using namespace llvm;
using namespace treadle;
using json::Array;
using json::Object;
using json::Value;

namespace {
StringRef cType(StringRef dtype) {
  return dtype == "f32"   ? "float"
         : dtype == "i32" ? "int32_t"
         : dtype == "i16" ? "int16_t"
         : dtype == "i8"  ? "int8_t"
                          : "int64_t";
}

std::string strideName(StringRef tensor, int64_t axis) { return (tensor + "_stride" + Twine(axis)).str(); }

/// A grid expression in C.
std::string expression(const Value &value, StringRef prefix) {
  if (auto constant = value.getAsInteger())
    return ("INT64_C(" + Twine(*constant) + ")").str();
  if (auto name = value.getAsString())
    return ("dim_" + *name).str();
  const Array &list = *value.getAsArray();
  StringRef op = *list[0].getAsString();
  std::string left = expression(list[1], prefix), right = expression(list[2], prefix);
  if (op.size() == 1)
    return "(" + left + " " + op.str() + " " + right + ")";
  return (prefix + "_" + op + "(" + left + ", " + right + ")").str();
}

class Printer {
public:
  Printer(const Object &manifest, StringRef cubin, StringRef ptx)
      : manifest(manifest), name(*manifest.getString("name")), image(cubin.empty() ? ptx : cubin),
        isPtx(cubin.empty()) {
    for (const Value &param : *manifest.getArray("params"))
      params[*param.getAsObject()->getString("name")] = param.getAsObject();
  }

  std::string run() {
    prologue();
    embed();
    helpers();
    load();
    launch();
    out << "\n#endif\n";
    return std::move(text);
  }

private:
  const Array &launches() { return *manifest.getArray("launches"); }

  /// The C parameters: what the kernels take, each once, in the order of the manifest.
  struct Parameter {
    std::string type, name, comment;
  };
  std::vector<Parameter> parameters() {
    std::vector<Parameter> result;
    StringMap<bool> seen;
    auto add = [&](std::string type, std::string name, std::string comment) {
      if (seen.try_emplace(name, true).second)
        result.push_back({std::move(type), std::move(name), std::move(comment)});
    };
    for (const Value &value : launches())
      for (const Value &entry : *value.getAsObject()->getArray("args")) {
        const Object &arg = *entry.getAsObject();
        if (auto tensor = arg.getString("pointer"))
          add("CUdeviceptr", tensor->str(), tensorComment(*params[*tensor]));
        else if (auto dim = arg.getString("dim"))
          add("int64_t", ("dim_" + *dim).str(), "size " + dim->str());
        else if (const Array *stride = arg.getArray("stride"))
          add("int64_t", strideName(*(*stride)[0].getAsString(), *(*stride)[1].getAsInteger()), "in elements");
        else if (auto scalar = arg.getString("scalar"))
          add(cType(*params[*scalar]->getString("dtype")).str(), scalar->str(), scalarComment(*params[*scalar]));
      }
    return result;
  }

  std::string tensorComment(const Object &param) {
    std::string shape;
    raw_string_ostream stream(shape);
    interleaveComma(*param.getArray("shape"), stream, [&](const Value &size) {
      if (auto dim = size.getAsString())
        stream << *dim;
      else
        stream << *size.getAsInteger();
    });
    return formatv("{0} [{1}], {2}; aligned to {3} bytes", *param.getString("dtype"), shape, *param.getString("access"),
                   *param.getInteger("align"));
  }
  std::string scalarComment(const Object &param) {
    const Value *value = param.get("default");
    return value ? formatv("usually {0}", *value).str() : std::string("scalar");
  }

  void prologue() {
    std::string guard = "TREADLE_" + name.upper() + "_H";
    out << "/* " << name << ".h - written by treadlec " << *manifest.getString("compiler") << " for "
        << *manifest.getString("arch") << "; do not edit.\n *\n"
        << " * " << name
        << "_launch() puts the kernel on a stream of the current context. Compile with the CUDA toolkit's\n"
        << " * cuda.h (12.0 or later) and link with -lcuda. The image is embedded: no other file is needed. Any thread "
           "may call.\n"
        << " */\n#ifndef " << guard << "\n#define " << guard
        << "\n\n#include <cuda.h>\n#include <stddef.h>\n#include <stdint.h>\n\n";
  }

  void embed() {
    out << "/* " << (isPtx ? "PTX" : "cubin") << ", " << image.size() << " bytes"
        << (isPtx ? " and a terminating 0" : "") << " */\n"
        << "static const unsigned char " << name << "_image[" << image.size() + isPtx
        << "] __attribute__((aligned(16))) = {";
    for (size_t i = 0; i < image.size() + isPtx; ++i)
      out << (i % 32 ? "" : "\n  ") << unsigned(i < image.size() ? uint8_t(image[i]) : 0) << ",";
    out << "};\n\n";
  }

  void helpers() {
    // Only what the grids use, so that nothing is unused.
    std::string all;
    for (const Value &value : launches())
      for (const Value &axis : *value.getAsObject()->getArray("grid"))
        all += expression(axis, name);
    auto helper = [&](StringRef op, StringRef body) {
      if (StringRef(all).contains((name + "_" + op + "(").str()))
        out << "static inline int64_t " << name << "_" << op << "(int64_t a, int64_t b) { return " << body << "; }\n";
    };
    helper("floordiv", "a / b - (a % b != 0 && (a < 0) != (b < 0))");
    helper("ceildiv", "a / b + (a % b != 0 && (a < 0) == (b < 0))");
    helper("mod", "(a % b + b) % b");
    out << "\n";
  }

  void load() {
    out << "/* The loaded image: once for the process; it serves every context. */\n"
        << "static inline CUresult " << name << "_library(CUlibrary *library) {\n"
        << "  static CUlibrary loaded = NULL;\n"
        << "  CUlibrary mine = NULL, none = NULL;\n"
        << "  CUresult status;\n"
        << "  *library = __atomic_load_n(&loaded, __ATOMIC_ACQUIRE);\n"
        << "  if (*library)\n    return CUDA_SUCCESS;\n"
        << "  status = cuLibraryLoadData(&mine, " << name << "_image, NULL, NULL, 0, NULL, NULL, 0);\n"
        << "  if (status != CUDA_SUCCESS)\n    return status;\n"
        << "  if (!__atomic_compare_exchange_n(&loaded, &none, mine, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {\n"
        << "    cuLibraryUnload(mine); /* another thread was first */\n"
        << "    mine = none;\n  }\n"
        << "  *library = mine;\n  return CUDA_SUCCESS;\n}\n\n";
  }

  void launch() {
    std::vector<Parameter> list = parameters();
    out << "/* Puts the work on `stream` and returns; 0 is success, else a CUresult. Sizes and strides are not "
           "checked.\n";
    for (const Parameter &p : list)
      out << " *   " << p.name << ": " << p.comment << "\n";
    out << " */\nstatic inline int " << name << "_launch(CUstream stream";
    for (const Parameter &p : list)
      out << ", " << p.type << " " << p.name;
    out << ") {\n  CUlibrary library = NULL;\n  CUkernel kernel = NULL;\n  CUresult status = " << name
        << "_library(&library);\n  if (status != CUDA_SUCCESS)\n    return (int)status;\n";
    for (const Parameter &p : list)
      if (auto it = params.find(p.name); it != params.end() && p.type == "CUdeviceptr")
        if (int64_t align = *it->second->getInteger("align"); align > 1)
          out << "  if (" << p.name << " % " << align << " != 0)\n    return (int)CUDA_ERROR_MISALIGNED_ADDRESS;\n";
    for (const Value &value : launches())
      launchOne(*value.getAsObject());
    out << "  return (int)CUDA_SUCCESS;\n}\n";
  }

  void launchOne(const Object &launch) {
    const Array &grid = *launch.getArray("grid"), &block = *launch.getArray("block");
    int64_t shared = *launch.getInteger("shared_bytes");
    out << "  {\n";
    std::string arguments;
    for (const Value &entry : *launch.getArray("args")) {
      const Object &arg = *entry.getAsObject();
      std::string one;
      if (auto tensor = arg.getString("pointer"))
        one = tensor->str();
      else if (auto dim = arg.getString("dim"))
        one = ("dim_" + *dim).str();
      else if (const Array *stride = arg.getArray("stride"))
        one = strideName(*(*stride)[0].getAsString(), *(*stride)[1].getAsInteger());
      else
        one = arg.getString("scalar")->str();
      arguments += (arguments.empty() ? "&" : ", &") + one;
    }
    for (int i = 0; i < 3; ++i)
      out << "    const int64_t grid" << i << " = " << expression(grid[i], name) << ";\n";
    if (!arguments.empty())
      out << "    void *args[] = {" << arguments << "};\n";
    out << "    if (grid0 < 0 || grid1 < 0 || grid2 < 0 || grid0 > 2147483647 || grid1 > 65535 || grid2 > 65535)\n"
        << "      return (int)CUDA_ERROR_INVALID_VALUE;\n"
        << "    status = cuLibraryGetKernel(&kernel, library, \"" << *launch.getString("entry") << "\");\n"
        << "    if (status != CUDA_SUCCESS)\n      return (int)status;\n";
    if (shared > 48 * 1024)
      out << "    {\n      CUdevice device;\n      status = cuCtxGetDevice(&device);\n"
          << "      if (status == CUDA_SUCCESS)\n"
          << "        status = cuKernelSetAttribute(CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, " << shared
          << ", kernel, device);\n      if (status != CUDA_SUCCESS)\n        return (int)status;\n    }\n";
    out << "    if (grid0 != 0 && grid1 != 0 && grid2 != 0) {\n"
        << "      status = cuLaunchKernel((CUfunction)kernel, (unsigned)grid0, (unsigned)grid1, (unsigned)grid2, "
        << *block[0].getAsInteger() << ", " << *block[1].getAsInteger() << ", " << *block[2].getAsInteger() << ", "
        << shared << ", stream, " << (arguments.empty() ? "NULL" : "args") << ", NULL);\n"
        << "      if (status != CUDA_SUCCESS)\n        return (int)status;\n    }\n  }\n";
  }

  const Object &manifest;
  StringRef name, image;
  bool isPtx;
  StringMap<const Object *> params;
  std::string text;
  raw_string_ostream out{text};
};
} // namespace

std::string compiler::printHeader(const Object &manifest, StringRef cubin, StringRef ptx) {
  return Printer(manifest, cubin, ptx).run();
}
