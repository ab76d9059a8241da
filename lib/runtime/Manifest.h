// A bundle's manifest, read and checked.
#pragma once

#include "DType.h"
#include "Expr.h"

#include <array>
#include <optional>
#include <string>
#include <vector>

namespace treadle::rt {

constexpr int64_t dynamic = TREADLE_RT_DYNAMIC;

struct Param {
  std::string name;
  DType dtype = DType::F32;
  bool isTensor = false;

  // Tensors. One entry per axis: its size or `dynamic`; its dimension's index in Manifest::dims or -1; its stride or
  // `dynamic`.
  std::vector<int64_t> shape;
  std::vector<int> dims;
  std::vector<int64_t> strides;
  int64_t align = 1;
  int64_t maxBytes = 0; // 0: any
  int access = TREADLE_RT_READ_WRITE;
  int tensorIndex = -1; // among the tensors

  // Scalars.
  std::optional<treadle_rt_arg> defaultValue;
};

// What one parameter of an entry point is given.
struct Slot {
  enum Kind : uint8_t { Pointer, Dim, Stride, Scalar } kind;
  uint8_t bytes;
  int index;    // of the parameter; of the dimension for Dim
  int axis = 0; // for Stride
};

struct LaunchSpec {
  std::string entry;
  std::vector<Expr> grid; // three
  std::array<uint32_t, 3> block;
  uint32_t sharedBytes = 0;
  std::vector<Slot> slots;
  std::vector<uint8_t> slotBytes;
};

struct Manifest {
  std::string name;
  std::string arch;
  std::vector<Param> params;
  std::vector<std::string> dims;
  std::vector<LaunchSpec> launches;
  std::optional<std::string> ptxFile, cubinFile;
  int tensorCount = 0;

  // Reads JSON text; origin names it in messages.
  static Manifest parse(std::string_view text, std::string_view origin);
};

} // namespace treadle::rt
