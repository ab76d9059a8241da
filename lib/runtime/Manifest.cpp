#include "Manifest.h"

#include "Error.h"
#include "Json.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace treadle::rt {

namespace {

constexpr int64_t formatVersion = 1;
constexpr size_t maxRank = 32;

bool isPowerOfTwo(int64_t value) { return value > 0 && (value & (value - 1)) == 0; }

class Reader {
public:
  Manifest read(const JsonNode &root);

private:
  void readParam(const JsonNode &node);
  void readTensor(const JsonNode &node, Param &param);
  void readScalar(const JsonNode &node, Param &param);
  void readLaunch(const JsonNode &node);
  Slot readSlot(const JsonNode &node);
  std::optional<std::string> readFile(const JsonNode &files, const char *key);

  int dimIndex(const std::string &name) const;
  int paramIndex(const JsonNode &node, bool tensor) const;

  Manifest manifest;
};

int Reader::dimIndex(const std::string &name) const {
  auto found = std::find(manifest.dims.begin(), manifest.dims.end(), name);
  return found == manifest.dims.end() ? -1 : static_cast<int>(found - manifest.dims.begin());
}

int Reader::paramIndex(const JsonNode &node, bool tensor) const {
  const std::string &name = node.nonEmpty();
  for (size_t i = 0; i < manifest.params.size(); ++i)
    if (manifest.params[i].name == name && manifest.params[i].isTensor == tensor)
      return static_cast<int>(i);
  node.failExpected(tensor ? "the name of a tensor parameter" : "the name of a scalar parameter");
}

void Reader::readTensor(const JsonNode &node, Param &param) {
  param.isTensor = true;
  param.tensorIndex = manifest.tensorCount++;

  JsonNode shape = node.at("shape");
  for (const JsonNode &axis : shape.items()) {
    if (axis.isString()) {
      const std::string &name = axis.nonEmpty();
      int dim = dimIndex(name);
      if (dim < 0) {
        dim = static_cast<int>(manifest.dims.size());
        manifest.dims.push_back(name);
      }
      param.shape.push_back(dynamic);
      param.dims.push_back(dim);
    } else if (axis.isInteger()) {
      param.shape.push_back(axis.integer(0));
      param.dims.push_back(-1);
    } else {
      axis.failExpected("an integer or a dimension's name");
    }
  }
  size_t rank = param.shape.size();
  if (rank > maxRank)
    shape.failExpected(cat("at most ", maxRank, " axes"));

  if (auto strides = node.find("strides")) {
    for (const JsonNode &stride : strides->items()) {
      if (!stride.isNull() && !stride.isInteger())
        stride.failExpected("an integer or null");
      param.strides.push_back(stride.isNull() ? dynamic : stride.integer(INT64_MIN + 1));
    }
    if (param.strides.size() != rank)
      strides->failExpected(cat("an array of ", rank, ", as 'shape'"));
  } else {
    param.strides.assign(rank, dynamic);
    if (rank > 0)
      param.strides.back() = 1;
  }

  param.align = dtypeBytes(param.dtype);
  if (auto align = node.find("align")) {
    param.align = align->integer();
    if (!isPowerOfTwo(param.align))
      align->failExpected("a power of two");
  }

  if (auto maxBytes = node.find("max_bytes")) {
    param.maxBytes = maxBytes->integer();
    if (param.maxBytes < 1)
      maxBytes->failExpected("a positive integer");
  }

  if (auto access = node.find("access")) {
    const std::string &text = access->string();
    if (text == "read")
      param.access = TREADLE_RT_READ;
    else if (text == "write")
      param.access = TREADLE_RT_WRITE;
    else if (text == "readwrite")
      param.access = TREADLE_RT_READ_WRITE;
    else
      access->failExpected("'read', 'write' or 'readwrite'");
  }
}

void Reader::readScalar(const JsonNode &node, Param &param) {
  auto value = node.find("default");
  if (!value || value->isNull())
    return;
  if (!value->isNumber())
    value->failExpected("a number");
  param.defaultValue =
      value->isInteger() ? treadle_rt_arg_int(value->integer()) : treadle_rt_arg_float(value->number());
  try {
    encodeScalar(param.dtype, *param.defaultValue);
  } catch (const Error &error) {
    value->failHere(error.message);
  }
}

void Reader::readParam(const JsonNode &node) {
  Param param;
  JsonNode name = node.at("name");
  param.name = name.nonEmpty();
  for (const Param &other : manifest.params)
    if (other.name == param.name)
      name.failHere(cat("expected names that differ, found '", param.name, "' twice"));

  JsonNode kind = node.at("kind");
  bool tensor = kind.string() == "tensor";
  if (!tensor && kind.string() != "scalar")
    kind.failExpected("'tensor' or 'scalar'");

  JsonNode dtype = node.at("dtype");
  auto type = dtypeFromName(dtype.string());
  if (!type || (tensor && *type == DType::Index))
    dtype.failExpected(tensor ? "one of f32 f16 bf16 i64 i32 i16 i8" : "one of f32 f16 bf16 i64 i32 i16 i8 index");
  param.dtype = *type;

  if (tensor)
    readTensor(node, param);
  else
    readScalar(node, param);
  manifest.params.push_back(std::move(param));
}

Slot Reader::readSlot(const JsonNode &node) {
  std::vector<std::string> keys = node.keys();
  if (keys.size() != 1)
    node.failHere(cat("expected one key, found ", keys.size()));
  if (keys[0] == "pointer")
    return {Slot::Pointer, 8, paramIndex(node.at("pointer"), /*tensor=*/true)};
  if (keys[0] == "scalar") {
    int index = paramIndex(node.at("scalar"), /*tensor=*/false);
    return {Slot::Scalar, static_cast<uint8_t>(dtypeBytes(manifest.params[index].dtype)), index};
  }
  if (keys[0] == "dim") {
    JsonNode name = node.at("dim");
    int index = dimIndex(name.string());
    if (index < 0)
      name.failExpected("the name of a dimension of a tensor parameter");
    return {Slot::Dim, 8, index};
  }
  if (keys[0] == "stride") {
    JsonNode stride = node.at("stride");
    std::vector<JsonNode> parts = stride.items();
    if (parts.size() != 2)
      stride.failExpected("[parameter, axis]");
    int index = paramIndex(parts[0], /*tensor=*/true);
    int64_t rank = static_cast<int64_t>(manifest.params[index].shape.size());
    if (rank == 0)
      parts[1].failHere(cat("expected a parameter with axes, found '", manifest.params[index].name, "' of rank 0"));
    return {Slot::Stride, 8, index, static_cast<int>(parts[1].integer(0, rank - 1))};
  }
  node.failHere(cat("expected a key 'pointer', 'dim', 'stride' or 'scalar', found '", keys[0], "'"));
}

void Reader::readLaunch(const JsonNode &node) {
  LaunchSpec launch;
  launch.entry = node.at("entry").nonEmpty();

  JsonNode grid = node.at("grid");
  for (const JsonNode &axis : grid.items())
    launch.grid.push_back(Expr::parse(axis, manifest.dims));
  if (launch.grid.empty() || launch.grid.size() > 3)
    grid.failExpected("an array of 1 to 3");
  launch.grid.resize(3, Expr::constant(1));

  JsonNode block = node.at("block");
  std::vector<JsonNode> axes = block.items();
  if (axes.empty() || axes.size() > 3)
    block.failExpected("an array of 1 to 3");
  launch.block = {1, 1, 1};
  int64_t threads = 1;
  for (size_t i = 0; i < axes.size(); ++i) {
    launch.block[i] = static_cast<uint32_t>(axes[i].integer(1, i == 2 ? 64 : 1024));
    threads *= launch.block[i];
  }
  if (threads > 1024)
    block.failHere(cat("expected at most 1024 threads in a block, found ", threads));

  if (auto shared = node.find("shared_bytes"))
    launch.sharedBytes = static_cast<uint32_t>(shared->integer(0, INT32_MAX));

  for (const JsonNode &arg : node.at("args").items()) {
    launch.slots.push_back(readSlot(arg));
    launch.slotBytes.push_back(launch.slots.back().bytes);
  }
  manifest.launches.push_back(std::move(launch));
}

std::optional<std::string> Reader::readFile(const JsonNode &files, const char *key) {
  auto file = files.find(key);
  if (!file || file->isNull())
    return std::nullopt;
  const std::string &name = file->nonEmpty();
  if (name.find('/') != std::string::npos || name == "." || name == "..")
    file->failExpected("the name of a file beside the manifest");
  return name;
}

Manifest Reader::read(const JsonNode &root) {
  JsonNode format = root.at("format");
  if (format.integer() != formatVersion)
    format.failExpected(cat("format ", formatVersion));
  manifest.name = root.at("name").nonEmpty();
  if (auto arch = root.find("arch"); arch && !arch->isNull())
    manifest.arch = arch->string();
  for (const JsonNode &param : root.at("params").items())
    readParam(param);
  JsonNode launches = root.at("launches");
  for (const JsonNode &launch : launches.items())
    readLaunch(launch);
  if (manifest.launches.empty())
    launches.failExpected("at least one launch");
  if (auto files = root.find("files"); files && !files->isNull()) {
    manifest.ptxFile = readFile(*files, "ptx");
    manifest.cubinFile = readFile(*files, "cubin");
  }
  return std::move(manifest);
}

} // namespace

Manifest Manifest::parse(std::string_view text, std::string_view origin) {
  nlohmann::json json;
  try {
    json = nlohmann::json::parse(text.begin(), text.end());
  } catch (const nlohmann::json::exception &error) {
    // "[json.exception.parse_error.101] parse error at line 1, column 2: ..."
    std::string_view what = error.what();
    size_t start = what.find("] ");
    fail(TREADLE_RT_ERROR_MANIFEST, origin, ": $: expected JSON, found a ",
         start == std::string_view::npos ? what : what.substr(start + 2));
  }
  try {
    return Reader().read(JsonNode(json, "$"));
  } catch (const Error &error) {
    fail(error.status, origin, ": ", error.message);
  }
}

} // namespace treadle::rt
