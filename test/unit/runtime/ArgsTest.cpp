#include "DType.h"
#include "Support.h"

#include <cmath>
#include <limits>

using namespace testing_rt;

namespace {

class Args : public testing::Test {
protected:
  // What prepare says about this x, with a matching y.
  std::string complaintX(const Tensor &x) { return complaint(bundle, {x.arg(), y.arg(), eps}); }

  BundlePtr bundle = open(rmsNorm);
  Tensor x{0x10000, {8, 1024}}, y{0x20000, {8, 1024}};
  treadle_rt_arg eps = treadle_rt_arg_float(0.5);
};

TEST_F(Args, Marshalling) {
  Tensor strided(0x30000, {8, 1024}, {2048, 1});
  auto prepared = prepare(bundle, {strided.arg(), y.arg(), eps});
  ASSERT_TRUE(prepared) << treadle_rt_last_error();
  EXPECT_EQ(treadle_rt_launch_count(prepared.get()), 1);
  EXPECT_EQ(grid(prepared), (std::vector<int64_t>{2, 1, 1}));
  EXPECT_EQ(paramValues(prepared), (std::vector<uint64_t>{0x30000, 8, 2048, 0x20000, 1024, 0x3f000000}));

  int64_t block[3], shared = -1;
  const char *entry = nullptr;
  int device = 7, n = 0;
  const uint8_t *sizes = nullptr;
  EXPECT_EQ(treadle_rt_launch_block(prepared.get(), 0, block), 0);
  EXPECT_EQ(block[0], 128);
  EXPECT_EQ(treadle_rt_launch_shared_bytes(prepared.get(), 0, &shared), 0);
  EXPECT_EQ(shared, 0);
  EXPECT_EQ(treadle_rt_launch_entry(prepared.get(), 0, &entry), 0);
  EXPECT_STREQ(entry, "rms_norm");
  EXPECT_EQ(treadle_rt_launch_device(prepared.get(), &device), 0);
  EXPECT_EQ(device, -1);
  EXPECT_EQ(treadle_rt_launch_param_sizes(prepared.get(), 0, &sizes, &n), 0);
  EXPECT_EQ(std::vector<uint8_t>(sizes, sizes + n), (std::vector<uint8_t>{8, 8, 8, 8, 8, 4}));
  EXPECT_EQ(treadle_rt_launch_block(prepared.get(), 1, block), TREADLE_RT_ERROR_USAGE);
  EXPECT_STREQ(treadle_rt_last_error(), "rms_norm: expected a launch from 0 to 0, found 1");
}

TEST_F(Args, PreparedOutlivesItsBundle) {
  auto prepared = prepare(bundle, {x.arg(), y.arg(), eps});
  bundle.reset();
  EXPECT_EQ(paramValues(prepared)[1], 8u);
}

TEST_F(Args, DefaultsAndByteOffsets) {
  x.raw.byte_offset = 64;
  auto prepared = prepare(bundle, {x.arg(), y.arg(), treadle_rt_arg_default()});
  ASSERT_TRUE(prepared);
  EXPECT_EQ(paramValues(prepared)[0], 0x10040u);
  float value;
  uint64_t bits = paramValues(prepared)[5];
  std::memcpy(&value, &bits, 4);
  EXPECT_EQ(value, 1e-6f);
  auto without = open(replaced(rmsNorm, ", \"default\": 1e-06", ""));
  EXPECT_EQ(complaint(without, {x.arg(), y.arg(), treadle_rt_arg_default()}),
            "rms_norm: argument 'eps': expected a value, found none and no default");
}

TEST_F(Args, CountAndKinds) {
  EXPECT_EQ(complaint(bundle, {x.arg(), y.arg()}), "rms_norm: expected 3 arguments, found 2");
  EXPECT_EQ(complaint(bundle, {x.arg(), y.arg(), x.arg()}),
            "rms_norm: argument 'eps': expected a scalar of type f32, found a tensor");
  EXPECT_EQ(complaint(bundle, {eps, y.arg(), eps}), "rms_norm: argument 'x': expected a tensor, found a scalar");
  EXPECT_EQ(complaint(bundle, {treadle_rt_arg_tensor(nullptr), y.arg(), eps}),
            "rms_norm: argument 'x': expected a tensor, found null");
  treadle_rt_arg odd = eps;
  odd.kind = 9;
  EXPECT_EQ(complaint(bundle, {x.arg(), y.arg(), odd}),
            "rms_norm: argument 'eps': expected an argument kind of 0 to 3, found 9");
}

TEST_F(Args, DTypes) {
  EXPECT_EQ(complaintX(Tensor(0x10000, {8, 1024}).type(TREADLE_RT_FLOAT, 32)),
            "rms_norm: argument 'x': expected dtype bf16, found f32");
  EXPECT_EQ(complaintX(Tensor(0x10000, {8, 1024}).type(TREADLE_RT_FLOAT, 16)),
            "rms_norm: argument 'x': expected dtype bf16, found f16");
  EXPECT_EQ(complaintX(Tensor(0x10000, {8, 1024}).type(TREADLE_RT_UINT, 8)),
            "rms_norm: argument 'x': expected dtype bf16, found u8");
  EXPECT_EQ(complaintX(Tensor(0x10000, {8, 1024}).type(TREADLE_RT_BOOL, 8)),
            "rms_norm: argument 'x': expected dtype bf16, found bool");
  EXPECT_EQ(complaintX(Tensor(0x10000, {8, 1024}).type(5, 64)),
            "rms_norm: argument 'x': expected dtype bf16, found c64");
  x.raw.dtype_lanes = 4;
  EXPECT_EQ(complaintX(x), "rms_norm: argument 'x': expected dtype bf16, found bf16 of 4 lanes");
}

TEST_F(Args, Shapes) {
  EXPECT_EQ(complaintX(Tensor(0x10000, {8, 1024, 1})), "rms_norm: argument 'x': expected rank 2, found 3");
  EXPECT_EQ(complaintX(Tensor(0x10000, {8, 512})), "rms_norm: argument 'x': expected size 1024 on axis 1, found 512");
  EXPECT_EQ(complaintX(Tensor(0x10000, {-8, 1024})),
            "rms_norm: argument 'x': expected sizes of at least 0, found -8 on axis 0");
  EXPECT_EQ(complaintX(Tensor(0x10000, {4, 1024})), "rms_norm: argument 'y': expected size 4 on axis 0 (dimension 'M', "
                                                    "as axis 0 of argument 'x'), found 8");
  x.raw.shape = nullptr;
  EXPECT_EQ(complaintX(x), "rms_norm: argument 'x': expected a shape, found null");
}

TEST_F(Args, ADimensionTwiceInOneTensor) {
  auto square = open(replaced(rmsNorm, "[\"M\", 1024]", "[\"M\", \"M\"]"));
  Tensor good(0x10000, {16, 16}), bad(0x10000, {16, 8});
  EXPECT_EQ(complaint(square, {good.arg(), good.arg(), eps}), "none");
  EXPECT_EQ(complaint(square, {bad.arg(), good.arg(), eps}),
            "rms_norm: argument 'x': expected size 16 on axis 1 (dimension 'M', as axis 0 of argument 'x'), found 8");
}

TEST_F(Args, Strides) {
  EXPECT_EQ(complaintX(Tensor(0x10000, {8, 1024}, {1024, 2})),
            "rms_norm: argument 'x': expected stride 1 on axis 1, found 2");
  EXPECT_EQ(complaintX(Tensor(0x10000, {8, 1024}, {1028, 1})),
            "rms_norm: argument 'x': expected a stride that is a multiple of 8 (16 bytes) on axis 0, found 1028");
  EXPECT_EQ(complaintX(Tensor(0x10000, {8, 1024}, {1032, 1})), "none");
  EXPECT_EQ(complaintX(Tensor(0x10000, {8, 1024}, {-1024, 1})), "none");
  EXPECT_EQ(complaintX(Tensor(0x10000, {8, 1024}, {0, 1})), "none");
  Tensor repeated(0x20000, {8, 1024}, {0, 1});
  EXPECT_EQ(complaint(bundle, {x.arg(), repeated.arg(), eps}),
            "rms_norm: argument 'y': expected elements of their own to write, found stride 0 on axis 0");
}

TEST_F(Args, AxesOfSizeOneMayHaveAnyStride) {
  Tensor one(0x10000, {1, 1024}, {3, 1}), other(0x20000, {1, 1024}, {2048, 1});
  auto prepared = prepare(bundle, {one.arg(), other.arg(), eps});
  ASSERT_TRUE(prepared) << treadle_rt_last_error();
  // The kernel is promised multiples of 8.
  EXPECT_EQ(paramValues(prepared)[2], 0u);
  EXPECT_EQ(paramValues(prepared)[4], 2048u);
}

TEST_F(Args, Addresses) {
  EXPECT_EQ(complaintX(Tensor(0x10008, {8, 1024})),
            "rms_norm: argument 'x': expected a base address aligned to 16 bytes, found 0x10008");
  EXPECT_EQ(complaintX(Tensor(0, {8, 1024})),
            "rms_norm: argument 'x': expected an address, found null with elements to access");
  x.raw.byte_offset = 8;
  EXPECT_EQ(complaintX(x), "rms_norm: argument 'x': expected a base address aligned to 16 bytes, found 0x10008");
}

TEST_F(Args, EmptyTensorsLaunchNothing) {
  Tensor emptyX(0, {0, 1024}), emptyY(0, {0, 1024}, {3, 5});
  auto prepared = prepare(bundle, {emptyX.arg(), emptyY.arg(), eps});
  ASSERT_TRUE(prepared) << treadle_rt_last_error();
  EXPECT_EQ(grid(prepared)[0], 0);
}

TEST_F(Args, Devices) {
  Tensor gpu0(0x10000, {8, 1024}, {}, 0), gpu1(0x20000, {8, 1024}, {}, 1);
  EXPECT_EQ(complaint(bundle, {gpu0.arg(), y.arg(), eps}),
            "rms_norm: argument 'y': expected a tensor on cuda:0, as argument 'x', found one on the CPU");
  EXPECT_EQ(complaint(bundle, {gpu0.arg(), gpu1.arg(), eps}),
            "rms_norm: argument 'y': expected a tensor on cuda:0, as argument 'x', found one on cuda:1");
  EXPECT_EQ(complaint(bundle, {x.arg(), gpu1.arg(), eps}),
            "rms_norm: argument 'y': expected a tensor on the CPU, as argument 'x', found one on cuda:1");
  x.raw.device_type = 10;
  EXPECT_EQ(complaintX(x),
            "rms_norm: argument 'x': expected a tensor on the CPU or a CUDA device, found DLPack device type 10");
  gpu1.raw.device_type = TREADLE_RT_CUDA_MANAGED;
  gpu1.raw.device_id = 0;
  EXPECT_EQ(complaint(bundle, {gpu0.arg(), gpu1.arg(), eps}), "none");
}

TEST_F(Args, GridFaults) {
  auto divided = open(replaced(rmsNorm, "[\"ceildiv\", \"M\", 4]", "[\"ceildiv\", 4, [\"-\", \"M\", 8]]"));
  EXPECT_EQ(complaint(divided, {x.arg(), y.arg(), eps}),
            "rms_norm: grid of entry 'rms_norm', axis 0: expected a divisor of at least 1, found 0");
  auto negative = open(replaced(rmsNorm, "[\"ceildiv\", \"M\", 4]", "[\"-\", \"M\", 9]"));
  EXPECT_EQ(complaint(negative, {x.arg(), y.arg(), eps}),
            "rms_norm: grid of entry 'rms_norm', axis 0: expected at least 0 blocks, found -1");
  auto large = open(replaced(rmsNorm, "[[\"ceildiv\", \"M\", 4], 1, 1]", "[1, [\"*\", \"M\", 8192], 1]"));
  EXPECT_EQ(complaint(large, {x.arg(), y.arg(), eps}), "none") << "the CPU has no such limit";
  Tensor gpuX(0x10000, {8, 1024}, {}, 0), gpuY(0x20000, {8, 1024}, {}, 0);
  EXPECT_EQ(complaint(large, {gpuX.arg(), gpuY.arg(), eps}),
            "rms_norm: grid of entry 'rms_norm', axis 1: expected at most 65535 blocks, found 65536");
}

TEST_F(Args, Rebinding) {
  auto prepared = prepare(bundle, {x.arg(), y.arg(), eps});
  void *pointers[] = {reinterpret_cast<void *>(0x50000), reinterpret_cast<void *>(0x60000)};
  ASSERT_EQ(treadle_rt_rebind(prepared.get(), pointers, 2), 0);
  EXPECT_EQ(paramValues(prepared)[0], 0x50000u);
  EXPECT_EQ(paramValues(prepared)[3], 0x60000u);
  EXPECT_EQ(treadle_rt_rebind(prepared.get(), pointers, 1), TREADLE_RT_ERROR_ARGUMENT);
  EXPECT_STREQ(treadle_rt_last_error(), "rms_norm: expected 2 addresses of tensors, found 1");
  pointers[1] = reinterpret_cast<void *>(0x60004);
  EXPECT_EQ(treadle_rt_rebind(prepared.get(), pointers, 2), TREADLE_RT_ERROR_ARGUMENT);
  EXPECT_STREQ(treadle_rt_last_error(),
               "rms_norm: argument 'y': expected a base address aligned to 16 bytes, found 0x60004");
  EXPECT_EQ(paramValues(prepared)[0], 0x50000u) << "a failed call changes nothing";
}

TEST(Scalars, PassedAsTheirTypes) {
  auto bundle = open(R"({"format": 1, "name": "k", "params": [
      {"kind": "scalar", "name": "a", "dtype": "i8"}, {"kind": "scalar", "name": "b", "dtype": "i32"},
      {"kind": "scalar", "name": "c", "dtype": "i64"}, {"kind": "scalar", "name": "d", "dtype": "index"},
      {"kind": "scalar", "name": "e", "dtype": "f16"}, {"kind": "scalar", "name": "f", "dtype": "bf16"}],
    "launches": [{"entry": "k", "grid": [1], "block": [1], "args": [{"scalar": "f"}, {"scalar": "e"}, {"scalar": "d"},
      {"scalar": "c"}, {"scalar": "b"}, {"scalar": "a"}, {"scalar": "a"}]}]})");
  auto i = treadle_rt_arg_int;
  auto f = treadle_rt_arg_float;
  auto prepared = prepare(bundle, {i(-1), i(-2), i(-3), i(4), f(1.5), i(-2)});
  ASSERT_TRUE(prepared) << treadle_rt_last_error();
  EXPECT_EQ(paramValues(prepared), (std::vector<uint64_t>{0xc000, 0x3e00, 4, uint64_t(-3), 0xfffffffe, 0xff, 0xff}));
  EXPECT_EQ(complaint(bundle, {i(128), i(0), i(0), i(0), f(0), f(0)}),
            "k: argument 'a': expected a number that i8 can hold, found 128");
  EXPECT_EQ(complaint(bundle, {i(0), i(int64_t(1) << 31), i(0), i(0), f(0), f(0)}),
            "k: argument 'b': expected a number that i32 can hold, found 2147483648");
  EXPECT_EQ(complaint(bundle, {i(0), f(2.5), i(0), i(0), f(0), f(0)}),
            "k: argument 'b': expected an integer (i32), found 2.5");
  EXPECT_EQ(complaint(bundle, {i(0), i(0), i(0), i(0), f(1e6), f(0)}),
            "k: argument 'e': expected a number that f16 can hold, found 1000000");
}

TEST(Scalars, FloatEncodings) {
  using treadle::rt::DType;
  auto bits = [](DType type, double value) { return treadle::rt::encodeScalar(type, treadle_rt_arg_float(value)); };
  double inf = std::numeric_limits<double>::infinity();
  EXPECT_EQ(bits(DType::F16, 65504), 0x7bffu);
  EXPECT_EQ(bits(DType::F16, 65519), 0x7bffu);
  EXPECT_EQ(bits(DType::F16, -inf), 0xfc00u);
  EXPECT_EQ(bits(DType::F16, 0x1p-24), 0x0001u);
  EXPECT_EQ(bits(DType::F16, 0x1p-25), 0x0000u);
  EXPECT_EQ(bits(DType::F16, 0x1.8p-24), 0x0002u);
  EXPECT_EQ(bits(DType::F16, 0x1.ffep-15), 0x0400u); // rounds up to the smallest normal
  EXPECT_EQ(bits(DType::F16, 1 + 0x1p-11), 0x3c00u); // a tie, to even
  EXPECT_EQ(bits(DType::F16, 1 + 0x3p-11), 0x3c02u);
  EXPECT_EQ(bits(DType::F16, -0.0), 0x8000u);
  EXPECT_EQ(bits(DType::BF16, 1 + 0x1p-8), 0x3f80u);
  EXPECT_EQ(bits(DType::BF16, 1 + 0x1.00001p-8), 0x3f81u);
  EXPECT_EQ(bits(DType::BF16, inf), 0x7f80u);
  EXPECT_EQ(bits(DType::BF16, std::nan("")) & 0x7fc0, 0x7fc0u);
  EXPECT_EQ(bits(DType::F32, 0x1p-149), 1u);
  EXPECT_EQ(bits(DType::F32, 0.1), 0x3dcccccdu);
}

} // namespace
