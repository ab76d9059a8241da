#include "DType.h"

#include "Error.h"

#include <cmath>
#include <cstring>

namespace treadle::rt {

namespace {

struct TypeInfo {
  const char *name;
  int bytes;
  bool isFloat;
  uint8_t dlpackCode;
};

// In the order of DType.
constexpr TypeInfo types[] = {
    {"f32", 4, true, TREADLE_RT_FLOAT}, {"f16", 2, true, TREADLE_RT_FLOAT},  {"bf16", 2, true, TREADLE_RT_BFLOAT},
    {"i64", 8, false, TREADLE_RT_INT},  {"i32", 4, false, TREADLE_RT_INT},   {"i16", 2, false, TREADLE_RT_INT},
    {"i8", 1, false, TREADLE_RT_INT},   {"index", 8, false, TREADLE_RT_INT},
};

const TypeInfo &info(DType type) { return types[static_cast<int>(type)]; }

// A finite value rounded to the nearest (ties to even) of a binary format with this many stored mantissa bits whose
// smallest normal exponent is minExponent. Exact in double for the formats used here.
double roundTo(double value, int mantissaBits, int minExponent) {
  if (value == 0)
    return value;
  int exponent = std::max(std::ilogb(value), minExponent) - mantissaBits;
  return std::ldexp(std::nearbyint(std::ldexp(value, -exponent)), exponent);
}

uint64_t floatBits(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

uint64_t halfBits(double value) {
  uint64_t sign = std::signbit(value) ? 0x8000 : 0;
  double magnitude = std::fabs(value);
  if (std::isnan(value))
    return sign | 0x7e00;
  if (std::isinf(value))
    return sign | 0x7c00;
  if (magnitude < 0x1p-14)
    return sign | static_cast<uint64_t>(magnitude * 0x1p24);
  int exponent = std::ilogb(magnitude);
  return sign | (static_cast<uint64_t>(exponent + 15) << 10) |
         (static_cast<uint64_t>(std::ldexp(magnitude, 10 - exponent)) & 0x3ff);
}

[[noreturn]] void failRange(DType type, const std::string &found) {
  fail(TREADLE_RT_ERROR_ARGUMENT, "expected a number that ", dtypeName(type), " can hold, found ", found);
}

uint64_t encodeFloat(DType type, double value) {
  struct Format {
    int mantissaBits, minExponent;
    double max;
  };
  static constexpr Format f32{23, -126, 0x1.fffffep127}, f16{10, -14, 65504}, bf16{7, -126, 0x1.fep127};
  const Format &format = type == DType::F32 ? f32 : type == DType::F16 ? f16 : bf16;
  if (std::isfinite(value)) {
    double rounded = roundTo(value, format.mantissaBits, format.minExponent);
    if (std::fabs(rounded) > format.max)
      failRange(type, cat(value));
    value = rounded;
  }
  if (type == DType::F16)
    return halfBits(value);
  uint64_t bits = floatBits(static_cast<float>(value));
  return type == DType::F32 ? bits : bits >> 16;
}

uint64_t encodeInteger(DType type, int64_t value) {
  int bits = 8 * dtypeBytes(type);
  if (bits == 64)
    return static_cast<uint64_t>(value);
  int64_t limit = int64_t(1) << (bits - 1);
  if (value < -limit || value >= limit)
    failRange(type, cat(value));
  return static_cast<uint64_t>(value) & ((uint64_t(1) << bits) - 1);
}

} // namespace

const char *dtypeName(DType type) { return info(type).name; }
int dtypeBytes(DType type) { return info(type).bytes; }
bool dtypeIsFloat(DType type) { return info(type).isFloat; }

std::optional<DType> dtypeFromName(std::string_view name) {
  for (int i = 0; i < static_cast<int>(std::size(types)); ++i)
    if (name == types[i].name)
      return static_cast<DType>(i);
  return std::nullopt;
}

bool dtypeMatches(DType type, const treadle_rt_tensor &tensor) {
  return tensor.dtype_code == info(type).dlpackCode && tensor.dtype_bits == 8 * info(type).bytes &&
         tensor.dtype_lanes == 1;
}

std::string dlpackTypeName(const treadle_rt_tensor &tensor) {
  std::string name;
  switch (tensor.dtype_code) {
  case TREADLE_RT_INT:
    name = cat("i", tensor.dtype_bits);
    break;
  case TREADLE_RT_UINT:
    name = cat("u", tensor.dtype_bits);
    break;
  case TREADLE_RT_FLOAT:
    name = cat("f", tensor.dtype_bits);
    break;
  case TREADLE_RT_BFLOAT:
    name = cat("bf", tensor.dtype_bits);
    break;
  case 5:
    name = cat("c", tensor.dtype_bits);
    break;
  case TREADLE_RT_BOOL:
    name = "bool";
    break;
  default:
    name = cat("DLPack type code ", tensor.dtype_code, " of ", tensor.dtype_bits, " bits");
  }
  return tensor.dtype_lanes == 1 ? name : cat(name, " of ", tensor.dtype_lanes, " lanes");
}

uint64_t encodeScalar(DType type, const treadle_rt_arg &arg) {
  switch (arg.kind) {
  case TREADLE_RT_ARG_INT:
    return dtypeIsFloat(type) ? encodeFloat(type, static_cast<double>(arg.value.i)) : encodeInteger(type, arg.value.i);
  case TREADLE_RT_ARG_FLOAT:
    if (!dtypeIsFloat(type))
      fail(TREADLE_RT_ERROR_ARGUMENT, "expected an integer (", dtypeName(type), "), found ", arg.value.f);
    return encodeFloat(type, arg.value.f);
  case TREADLE_RT_ARG_TENSOR:
    fail(TREADLE_RT_ERROR_ARGUMENT, "expected a scalar of type ", dtypeName(type), ", found a tensor");
  default:
    fail(TREADLE_RT_ERROR_USAGE, "expected an argument kind of 0 to 3, found ", arg.kind);
  }
}

} // namespace treadle::rt
