// What the runtime's unit tests share: a bundle, tensors, and a way to read errors.
#pragma once

#include "treadle_rt.h"

#include <cstring>
#include <gtest/gtest.h>
#include <memory>
#include <string>
#include <vector>

namespace testing_rt {

struct BundleCloser {
  void operator()(treadle_rt_bundle *bundle) const { treadle_rt_close(bundle); }
};
struct Releaser {
  void operator()(treadle_rt_prepared *prepared) const { treadle_rt_release(prepared); }
};
using BundlePtr = std::unique_ptr<treadle_rt_bundle, BundleCloser>;
using PreparedPtr = std::unique_ptr<treadle_rt_prepared, Releaser>;

inline const char *const rmsNorm = R"({"format": 1, "name": "rms_norm", "arch": "sm_90a",
 "params": [
   {"kind": "tensor", "name": "x", "dtype": "bf16", "shape": ["M", 1024], "strides": [null, 1], "align": 16, "access": "read"},
   {"kind": "tensor", "name": "y", "dtype": "bf16", "shape": ["M", 1024], "strides": [null, 1], "align": 16, "access": "write"},
   {"kind": "scalar", "name": "eps", "dtype": "f32", "default": 1e-06}],
 "launches": [
   {"entry": "rms_norm", "grid": [["ceildiv", "M", 4], 1, 1], "block": [128, 1, 1], "shared_bytes": 0,
    "args": [{"pointer": "x"}, {"dim": "M"}, {"stride": ["x", 0]}, {"pointer": "y"}, {"stride": ["y", 0]}, {"scalar": "eps"}]}]})";

// The text with every occurrence of a part replaced; the part must be there.
inline std::string replaced(std::string text, const std::string &from, const std::string &to) {
  size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  for (; at != std::string::npos; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
  return text;
}

inline BundlePtr open(const std::string &manifest, std::string_view image = "") {
  treadle_rt_bundle *bundle = nullptr;
  int status = treadle_rt_open_memory(manifest.data(), manifest.size(), image.empty() ? nullptr : image.data(),
                                      image.size(), &bundle);
  EXPECT_EQ(status, TREADLE_RT_OK) << treadle_rt_last_error();
  return BundlePtr(bundle);
}

// A DLTensor and what it points to. Addresses are made up: nothing reads through them.
struct Tensor {
  std::vector<int64_t> shape, strides;
  treadle_rt_tensor raw{};

  Tensor(uint64_t address, std::vector<int64_t> shape_, std::vector<int64_t> strides_ = {}, int device = -1)
      : shape(std::move(shape_)), strides(std::move(strides_)) {
    raw.data = reinterpret_cast<void *>(address);
    raw.device_type = device < 0 ? TREADLE_RT_CPU : TREADLE_RT_CUDA;
    raw.device_id = device < 0 ? 0 : device;
    raw.ndim = static_cast<int32_t>(shape.size());
    raw.dtype_code = TREADLE_RT_BFLOAT;
    raw.dtype_bits = 16;
    raw.dtype_lanes = 1;
    raw.shape = shape.data();
    raw.strides = strides.empty() ? nullptr : strides.data();
  }
  Tensor(const Tensor &) = delete;
  Tensor &type(int code, int bits) {
    raw.dtype_code = static_cast<uint8_t>(code);
    raw.dtype_bits = static_cast<uint8_t>(bits);
    return *this;
  }
  treadle_rt_arg arg() const { return treadle_rt_arg_tensor(&raw); }
};

// The prepared launch, or null with the message in treadle_rt_last_error().
inline PreparedPtr prepare(const BundlePtr &bundle, const std::vector<treadle_rt_arg> &args) {
  treadle_rt_prepared *prepared = nullptr;
  int status = treadle_rt_prepare(bundle.get(), args.data(), static_cast<int>(args.size()), &prepared);
  EXPECT_EQ(status == TREADLE_RT_OK, prepared != nullptr);
  return PreparedPtr(prepared);
}

// The complaint about these arguments.
inline std::string complaint(const BundlePtr &bundle, const std::vector<treadle_rt_arg> &args) {
  return prepare(bundle, args) ? "none" : treadle_rt_last_error();
}

// The values of a launch's parameters, each zero-extended to 64 bits.
inline std::vector<uint64_t> paramValues(const PreparedPtr &prepared, int launch = 0) {
  void **params = nullptr;
  const uint8_t *sizes = nullptr;
  int n = 0, sizeCount = 0;
  EXPECT_EQ(treadle_rt_launch_params(prepared.get(), launch, &params, &n), 0);
  EXPECT_EQ(treadle_rt_launch_param_sizes(prepared.get(), launch, &sizes, &sizeCount), 0);
  EXPECT_EQ(n, sizeCount);
  std::vector<uint64_t> values(n);
  for (int i = 0; i < n; ++i)
    std::memcpy(&values[i], params[i], sizes[i]);
  return values;
}

inline std::vector<int64_t> grid(const PreparedPtr &prepared, int launch = 0) {
  std::vector<int64_t> result(3);
  EXPECT_EQ(treadle_rt_launch_grid(prepared.get(), launch, result.data()), 0);
  return result;
}

} // namespace testing_rt
