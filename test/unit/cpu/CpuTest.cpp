//===-- CpuTest.cpp - kernels run on the host give the right numbers -------===//

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Parser/Parser.h"
#include "target/cpu/Jit.h"
#include "tile/IR/Tile.h"
#include "gtest/gtest.h"
#include <cmath>
#include <cstring>
#include <deque>
#include <functional>
#include <limits>
#include <random>
#include <sys/mman.h>

using namespace mlir;
using treadle::CpuKernel;

namespace {
/// The processors that code is made for here: this one, and others that it can run the code of.
const char *const Cpus[] = {"", "x86-64-v3", "x86-64-v2"};

/// Arguments by their values, in the order of kernelAbi.
struct Args {
  std::deque<int64_t> values;
  template <typename T> Args &operator<<(T value) {
    values.emplace_back();
    std::memcpy(&values.back(), &value, sizeof(T));
    return *this;
  }
  std::vector<void *> pointers() {
    std::vector<void *> out;
    for (int64_t &value : values)
      out.push_back(&value);
    return out;
  }
};

std::unique_ptr<CpuKernel> compile(const std::string &text, const char *cpu = "", std::string *error = nullptr) {
  DialectRegistry registry;
  registry
      .insert<treadle::tile::TileDialect, arith::ArithDialect, func::FuncDialect, math::MathDialect, scf::SCFDialect>();
  MLIRContext context(registry, MLIRContext::Threading::DISABLED);
  OwningOpRef<ModuleOp> module = parseSourceString<ModuleOp>(text, &context);
  if (!module) {
    ADD_FAILURE() << "parse error";
    return nullptr;
  }
  auto kernel = CpuKernel::compile(*module, "", cpu);
  if (kernel)
    return std::move(*kernel);
  std::string message = llvm::toString(kernel.takeError());
  if (error)
    *error = message;
  else
    ADD_FAILURE() << message;
  return nullptr;
}

void run(const std::string &text, Args args, std::array<int64_t, 3> grid = {1, 1, 1}, const char *cpu = "",
         int threads = 0) {
  auto kernel = compile(text, cpu);
  ASSERT_TRUE(kernel);
  kernel->launch(grid.data(), args.pointers().data(), threads);
}

std::vector<float> randoms(size_t count, float low = -1, float high = 1, unsigned seed = 1) {
  std::mt19937 generator(seed);
  std::uniform_real_distribution<float> draw(low, high);
  std::vector<float> out(count);
  for (float &x : out)
    x = draw(generator);
  return out;
}

/// `count` floats between two pages that may not be touched, against the upper or the lower one.
struct Fenced {
  char *base;
  size_t inner, count;
  bool high;
  Fenced(size_t count, bool high) : inner((count * 4 + 4095) / 4096 * 4096), count(count), high(high) {
    base = static_cast<char *>(mmap(nullptr, inner + 8192, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    mprotect(base + 4096, inner, PROT_READ | PROT_WRITE);
  }
  ~Fenced() { munmap(base, inner + 8192); }
  float *data() { return reinterpret_cast<float *>(base + 4096 + (high ? inner - count * 4 : 0)); }
};

uint16_t toBF16(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, 4);
  return (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
}
float fromBF16(uint16_t x) {
  uint32_t bits = uint32_t(x) << 16;
  float out;
  std::memcpy(&out, &bits, 4);
  return out;
}
} // namespace

//===-- memory -------------------------------------------------------------===//

static const char *Window = R"mlir(
func.func @window(%x: !tile.view<?x?xf32> {tile.name = "x", tile.dims = ["M", "N"]},
                  %y: !tile.view<32x64xf32> {tile.name = "y", tile.dims = [32, 64]},
                  %z: !tile.view<?x?xf32> {tile.name = "z", tile.dims = ["M", "N"]},
                  %r: index {tile.name = "r"}, %c: index {tile.name = "c"})
    attributes {tile.kernel, tile.grid = affine_map<() -> (1)>} {
  %zero = arith.constant 0 : index
  %other = arith.constant 7.0 : f32
  %t = tile.load %x[%r, %c] along [0, 1] other(%other : f32) : !tile.view<?x?xf32> -> tensor<32x64xf32>
  tile.store %t, %y[%zero, %zero] along [0, 1] : tensor<32x64xf32>, !tile.view<32x64xf32>
  tile.store %t, %z[%r, %c] along [0, 1] : tensor<32x64xf32>, !tile.view<?x?xf32>
  return
})mlir";

TEST(CpuMemory, WindowsOfEveryPosition) {
  auto kernel = compile(Window);
  ASSERT_TRUE(kernel);
  const int64_t grid[3] = {1, 1, 1}, least = std::numeric_limits<int64_t>::min(),
                most = std::numeric_limits<int64_t>::max();
  for (int64_t M : {0, 1, 31, 40, 100})
    for (int64_t N : {0, 1, 17, 64, 90})
      for (int64_t r : {least, int64_t(-33), int64_t(-32), int64_t(-5), int64_t(0), int64_t(3), int64_t(39),
                        int64_t(68), int64_t(101), most})
        for (int64_t c :
             {least, int64_t(-64), int64_t(-50), int64_t(-16), int64_t(0), int64_t(1), int64_t(26), int64_t(89), most})
          for (bool high : {false, true}) {
            Fenced x(M * N, high), z(M * N, high);
            std::vector<float> y(32 * 64, -1);
            for (int64_t i = 0; i < M * N; ++i) {
              x.data()[i] = 100 + i;
              z.data()[i] = -5;
            }
            Args args;
            args << x.data() << M << N << N << y.data() << int64_t(64) << z.data() << N << r << c;
            kernel->launch(grid, args.pointers().data());
            auto inside = [](int64_t start, int64_t i, int64_t size) {
              return start > -1000 && start < 1000 && start + i >= 0 && start + i < size;
            };
            for (int64_t i = 0; i < 32; ++i)
              for (int64_t j = 0; j < 64; ++j) {
                bool in = inside(r, i, M) && inside(c, j, N);
                ASSERT_EQ(y[i * 64 + j], in ? 100 + (r + i) * N + c + j : 7) << M << " " << N << " " << r << " " << c;
              }
            for (int64_t i = 0; i < M; ++i)
              for (int64_t j = 0; j < N; ++j) {
                auto covered = [](int64_t start, int64_t at, int64_t length) {
                  return start > -1000 && start < 1000 && at >= start && at < start + length;
                };
                bool in = covered(r, i, 32) && covered(c, j, 64);
                ASSERT_EQ(z.data()[i * N + j], in ? 100 + i * N + j : -5) << M << " " << N << " " << r << " " << c;
              }
          }
}

TEST(CpuMemory, ConstantsOfAnySizeAsIndices) {
  for (int64_t index : {INT64_MAX, INT64_MAX - 1, INT64_MAX / 4, INT64_MIN, INT64_MIN + 1, INT64_MIN / 4, int64_t(-64)})
    for (const char *cpu : Cpus) {
      std::string text = R"mlir(
func.func @far(%x: !tile.view<?xf32> {tile.name = "x", tile.dims = ["M"]}, %y: !tile.view<?xf32> {tile.name = "y", tile.dims = ["N"]})
    attributes {tile.kernel, tile.grid = affine_map<() -> (1)>} {
  %c0 = arith.constant 0 : index
  %far = arith.constant )mlir" +
                         std::to_string(index) +
                         R"mlir( : index
  %other = arith.constant 7.0 : f32
  %a = tile.load %x[%far] along [0] other(%other : f32) : !tile.view<?xf32> -> tensor<64xf32>
  %b = tile.load %x[%far] along [] other(%other : f32) : !tile.view<?xf32> -> f32
  %bs = tile.splat %b : f32 -> tensor<64xf32>
  %s = arith.addf %a, %bs : tensor<64xf32>
  tile.store %s, %y[%c0] along [0] : tensor<64xf32>, !tile.view<?xf32>
  tile.store %a, %x[%far] along [0] : tensor<64xf32>, !tile.view<?xf32>
  tile.store %b, %x[%far] along [] : f32, !tile.view<?xf32>
  return
})mlir";
      Fenced x(50, index < 0);
      std::fill_n(x.data(), 50, 1.0f);
      std::vector<float> y(64);
      Args args;
      args << x.data() << int64_t(50) << y.data() << int64_t(64);
      run(text, args, {1, 1, 1}, cpu);
      for (float value : y)
        ASSERT_EQ(value, 14);
      for (int i = 0; i < 50; ++i)
        ASSERT_EQ(x.data()[i], 1);
    }
}

TEST(CpuMemory, PlainAxesStridesAndScalars) {
  // y[j, i] = x[b, i, h, j]; s = x[b, 1, h, 2] or the given value.
  const char *text = R"mlir(
func.func @axes(%x: !tile.view<?x?x3x?xi32, strides = [?, ?, ?, ?]> {tile.name = "x", tile.dims = ["B", "M", 3, "N"]},
                %y: !tile.view<?x?xi32, strides = [1, ?]> {tile.name = "y", tile.dims = ["M", "N"]},
                %s: !tile.view<?xi32> {tile.name = "s", tile.dims = ["L"]}, %h: index {tile.name = "h"})
    attributes {tile.kernel, tile.grid = affine_map<()[B] -> (1, B)>, tile.grid_dims = ["B"]} {
  %b = tile.program_id 1
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %none = arith.constant -9 : i32
  %t = tile.load %x[%b, %c0, %h, %c0] along [1, 3] : !tile.view<?x?x3x?xi32, strides = [?, ?, ?, ?]> -> tensor<8x4xi32>
  tile.store %t, %y[%c0, %c0] along [0, 1] : tensor<8x4xi32>, !tile.view<?x?xi32, strides = [1, ?]>
  %e = tile.load %x[%b, %c1, %h, %c2] along [] other(%none : i32) : !tile.view<?x?x3x?xi32, strides = [?, ?, ?, ?]> -> i32
  tile.store %e, %s[%b] along [] : i32, !tile.view<?xi32>
  return
})mlir";
  const int64_t B = 2, M = 5, N = 3;
  std::vector<int32_t> x(B * M * 3 * N);
  for (size_t i = 0; i < x.size(); ++i)
    x[i] = i;
  for (int64_t h : {0, 2, 3, -1}) {
    std::vector<int32_t> y(M * N, -1), s(1, -1);
    Args args;
    args << x.data() << B << M << N << M * 3 * N << 3 * N << N << int64_t(1) << y.data() << M << s.data() << int64_t(1)
         << h;
    run(text, args);
    bool in = h >= 0 && h < 3;
    for (int i = 0; i < M; ++i)
      for (int j = 0; j < N; ++j)
        EXPECT_EQ(y[j * M + i], in ? i * 3 * N + h * N + j : 0);
    EXPECT_EQ(s[0], in ? 3 * N + h * N + 2 : -9);
  }
}

TEST(CpuMemory, InPlaceAndGrid) {
  const char *text = R"mlir(
func.func @scale(%x: !tile.view<?x?xbf16> {tile.name = "x", tile.dims = ["M", "N"]},
                 %y: !tile.view<?x?xbf16> {tile.name = "y", tile.dims = ["M", "N"]}, %a: f32 {tile.name = "a"})
    attributes {tile.kernel, tile.grid = affine_map<()[M, N] -> (M ceildiv 32, N ceildiv 64)>, tile.grid_dims = ["M", "N"]} {
  %c32 = arith.constant 32 : index
  %c64 = arith.constant 64 : index
  %i = tile.program_id 0
  %j = tile.program_id 1
  %r = arith.muli %i, %c32 : index
  %c = arith.muli %j, %c64 : index
  %t = tile.load %x[%r, %c] along [0, 1] : !tile.view<?x?xbf16> -> tensor<32x64xbf16>
  %f = arith.extf %t : tensor<32x64xbf16> to tensor<32x64xf32>
  %s = tile.splat %a : f32 -> tensor<32x64xf32>
  %g = arith.mulf %f, %s : tensor<32x64xf32>
  %o = arith.truncf %g : tensor<32x64xf32> to tensor<32x64xbf16>
  tile.store %o, %y[%r, %c] along [0, 1] : tensor<32x64xbf16>, !tile.view<?x?xbf16>
  return
})mlir";
  for (const char *cpu : Cpus)
    for (int threads : {1, 0, 7}) {
      const int64_t M = 317, N = 211;
      auto values = randoms(M * N);
      std::vector<uint16_t> x(M * N);
      for (int i = 0; i < M * N; ++i)
        x[i] = toBF16(values[i]);
      auto expected = x;
      for (uint16_t &v : expected)
        v = toBF16(fromBF16(v) * 1.7f);
      Args args;
      args << x.data() << M << N << N << x.data() << N << 1.7f;
      run(text, args, {(M + 31) / 32, (N + 63) / 64, 1}, cpu, threads);
      EXPECT_EQ(x, expected);
    }
}

//===-- elementwise --------------------------------------------------------===//

/// y = f(x) on [64] tiles, f given as MLIR from %x to %y.
static std::string unary(const std::string &body, const char *from = "f32", const char *to = "f32") {
  std::string text = R"mlir(
func.func @unary(%vx: !tile.view<?xFROM> {tile.name = "x", tile.dims = ["N"]}, %vy: !tile.view<?xTO> {tile.name = "y", tile.dims = ["N"]})
    attributes {tile.kernel, tile.grid = affine_map<()[N] -> (N ceildiv 64)>, tile.grid_dims = ["N"]} {
  %c64 = arith.constant 64 : index
  %p = tile.program_id 0
  %i = arith.muli %p, %c64 : index
  %x = tile.load %vx[%i] along [0] : !tile.view<?xFROM> -> tensor<64xFROM>
  BODY
  tile.store %y, %vy[%i] along [0] : tensor<64xTO>, !tile.view<?xTO>
  return
})mlir";
  auto replace = [&](const std::string &what, const std::string &by) {
    for (size_t at; (at = text.find(what)) != std::string::npos;)
      text.replace(at, what.size(), by);
  };
  replace("BODY", body);
  replace("FROM", from);
  replace("TO", to);
  return text;
}

TEST(CpuElementwise, MathIsAccurate) {
  struct Function {
    const char *name;
    double (*exact)(double);
    std::vector<std::pair<float, float>> ranges;
    double floor; ///< absolute error allowed: the least number that counts
  };
  double (*rsqrt)(double) = [](double x) { return 1 / std::sqrt(x); };
  std::vector<Function> functions = {
      {"exp", std::exp, {{-103, 88.7}, {-1, 1}, {-1e-3, 1e-3}}, 1e-44},
      {"exp2", std::exp2, {{-149, 127.9}, {-1, 1}}, 1e-44},
      {"expm1", std::expm1, {{-20, 80}, {-1, 1}, {-1e-4, 1e-4}}, 0},
      {"log", std::log, {{1e-44, 1e-30}, {0, 10}, {0.9, 1.1}, {1, 3e38}}, 0},
      {"log2", std::log2, {{1e-44, 1e-30}, {0, 10}, {0.9, 1.1}, {1, 3e38}}, 0},
      {"log10", std::log10, {{0, 10}, {0.9, 1.1}, {1, 3e38}}, 0},
      {"log1p", std::log1p, {{-0.9999, 1}, {-1e-4, 1e-4}, {1, 1e30}}, 0},
      {"tanh", std::tanh, {{-12, 12}, {-1, 1}, {-1e-4, 1e-4}}, 0},
      {"erf", std::erf, {{-6, 6}, {-1, 1}, {-1e-4, 1e-4}}, 0},
      {"sin", std::sin, {{-4, 4}, {-1000, 1000}, {-9e5, 9e5}, {1e6, 1e9}, {1e9, 3e38}}, 0},
      {"cos", std::cos, {{-4, 4}, {-1000, 1000}, {-9e5, 9e5}, {1e6, 1e9}, {1e9, 3e38}}, 0},
      {"sqrt", std::sqrt, {{0, 1e-38}, {0, 100}, {0, 3e38}}, 0},
      {"rsqrt", rsqrt, {{1e-40, 1e-38}, {0, 100}, {0, 3e38}}, 0}};
  for (const char *cpu : Cpus)
    for (auto &[name, exact, ranges, floor] : functions) {
      auto kernel = compile(unary(std::string("%y = math.") + name + " %x : tensor<64xf32>"), cpu);
      ASSERT_TRUE(kernel);
      for (auto [low, high] : ranges) {
        const int64_t N = 100003, grid[3] = {(N + 63) / 64, 1, 1};
        auto x = randoms(N, low, high);
        std::vector<float> y(N);
        Args args;
        args << x.data() << N << y.data();
        kernel->launch(grid, args.pointers().data());
        double worst = 0, at = 0;
        for (int i = 0; i < N; ++i) {
          double right = exact(x[i]), error = std::max(0.0, std::fabs(y[i] - right) - floor) / std::fabs(right);
          if (!(error <= worst)) {
            worst = error;
            at = x[i];
          }
        }
        EXPECT_LT(worst, 6e-7) << name << " at " << at << " on '" << cpu << "'";
        RecordProperty(std::string(name) + "_" + std::to_string(low), std::to_string(worst));
      }
      // Infinities, NaN, zeros: as the C library has them.
      float inf = std::numeric_limits<float>::infinity();
      std::vector<float> x = {inf, -inf, NAN, 0.0f, -0.0f, 1e-45f, -1e-45f, 1.0f, -1.0f, 3e38f, -3e38f, 90, -110},
                         y(x.size());
      const int64_t N = x.size(), grid[3] = {1, 1, 1};
      Args args;
      args << x.data() << N << y.data();
      kernel->launch(grid, args.pointers().data());
      for (int i = 0; i < N; ++i) {
        float right = exact(x[i]);
        EXPECT_TRUE((std::isnan(right) && std::isnan(y[i])) || y[i] == right ||
                    std::fabs(y[i] - right) < 1e-6 * std::fabs(right))
            << name << "(" << x[i] << ") is " << y[i] << ", not " << right;
      }
    }
}

TEST(CpuElementwise, SixteenBitFloats) {
  for (const char *cpu : Cpus)
    for (const char *type : {"bf16", "f16"}) {
      // Every number, through f32 and back, and squared (in f32, rounded once).
      std::string tile = std::string("tensor<64x") + type + ">";
      auto copy = compile(unary("%w = arith.extf %x : " + tile +
                                    " to tensor<64xf32>\n %y = arith.truncf %w : tensor<64xf32> to " + tile,
                                type, type),
                          cpu);
      auto square = compile(unary("%y = arith.mulf %x, %x : " + tile, type, type), cpu);
      ASSERT_TRUE(copy && square);
      const int64_t N = 1 << 16, grid[3] = {N / 64, 1, 1};
      std::vector<uint16_t> x(N), y(N), z(N);
      for (int i = 0; i < N; ++i)
        x[i] = i;
      Args args, second;
      args << x.data() << N << y.data();
      second << x.data() << N << z.data();
      copy->launch(grid, args.pointers().data());
      square->launch(grid, second.pointers().data());
      bool bf16 = type[0] == 'b';
      int infinity = bf16 ? 0x7f80 : 0x7c00;
      for (int i = 0; i < N; ++i) {
        if ((i & 0x7fff) > infinity) {
          EXPECT_GT(y[i] & 0x7fff, infinity);
          EXPECT_GT(z[i] & 0x7fff, infinity);
          continue;
        }
        ASSERT_EQ(y[i], i);
        if (bf16) {
          float f = fromBF16(i);
          ASSERT_EQ(z[i], toBF16(f * f)) << i;
        } else {
          _Float16 h;
          std::memcpy(&h, &x[i], 2);
          _Float16 right = _Float16(float(h) * float(h));
          uint16_t bits;
          std::memcpy(&bits, &right, 2);
          ASSERT_EQ(z[i], bits) << i;
        }
      }
    }
}

TEST(CpuElementwise, DivisionNeverTraps) {
  std::string body;
  int count = 0;
  for (const char *op : {"divsi", "remsi", "floordivsi", "ceildivsi", "divui", "remui", "ceildivui"})
    body += "%d" + std::to_string(count++) + " = arith." + op + " %x, %s : tensor<64xi32>\n";
  // s is x shifted by one element's worth: zeros, -1 and the least number all meet.
  std::string text =
      unary("%one = arith.constant dense<1> : tensor<64xi32>\n%m = arith.constant dense<-1> : tensor<64xi32>\n"
            "%i = tile.iota : tensor<64xi32>\n%two = arith.constant dense<3> : tensor<64xi32>\n"
            "%k = arith.remsi %i, %two : tensor<64xi32>\n%s = arith.subi %k, %one : tensor<64xi32>\n" +
                body +
                "%q0 = arith.addi %d0, %d1 : tensor<64xi32>\n%q1 = arith.muli %d2, %d3 : tensor<64xi32>\n"
                "%q2 = arith.xori %d4, %d5 : tensor<64xi32>\n%q3 = arith.addi %q0, %q1 : tensor<64xi32>\n"
                "%q4 = arith.addi %q2, %d6 : tensor<64xi32>\n%y = arith.addi %q3, %q4 : tensor<64xi32>",
            "i32", "i32");
  size_t at = text.find("%i = arith.muli");
  text.replace(at, 15, "%at = arith.muli");
  for (size_t i; (i = text.find("[%i]")) != std::string::npos;)
    text.replace(i, 4, "[%at]");
  std::vector<int32_t> x(64, std::numeric_limits<int32_t>::min()), y(64);
  Args args;
  args << x.data() << int64_t(64) << y.data();
  run(text, args);
}

TEST(CpuElementwise, FloorAndCeilDivision) {
  for (const char *op : {"floordivsi", "ceildivsi", "divsi", "remsi"}) {
    std::string text = unary(std::string("%s = arith.constant dense<-3> : tensor<64xi32>\n%y = arith.") + op +
                                 " %x, %s : tensor<64xi32>",
                             "i32", "i32");
    std::vector<int32_t> x(41), y(41);
    for (int i = 0; i < 41; ++i)
      x[i] = i - 20;
    Args args;
    args << x.data() << int64_t(41) << y.data();
    run(text, args);
    for (int i = 0; i < 41; ++i) {
      int32_t right = op[0] == 'f'   ? int(std::floor(x[i] / -3.0))
                      : op[0] == 'c' ? int(std::ceil(x[i] / -3.0))
                      : op[0] == 'd' ? x[i] / -3
                                     : x[i] % -3;
      EXPECT_EQ(y[i], right) << op << " " << x[i];
    }
  }
}

TEST(CpuElementwise, ShapesAndMasks) {
  // y[j, i] (a [16, 4, 8] tile seen as [16, 32]) = i > j ? x[i] * j : -1, by every op that moves axes.
  const char *text = R"mlir(
func.func @shapes(%vx: !tile.view<32xf32> {tile.name = "x", tile.dims = [32]}, %vy: !tile.view<16x32xf32> {tile.name = "y", tile.dims = [16, 32]},
                  %vm: !tile.view<16x4x8xi8> {tile.name = "m", tile.dims = [16, 4, 8]})
    attributes {tile.kernel, tile.grid = affine_map<() -> (1)>} {
  %c0 = arith.constant 0 : index
  %x = tile.load %vx[%c0] along [0] : !tile.view<32xf32> -> tensor<32xf32>
  %i = tile.iota : tensor<32xi32>
  %j = tile.iota : tensor<16xi32>
  %xc = tile.expand_dims %x, 1 : tensor<32xf32> -> tensor<32x1xf32>
  %xb = tile.broadcast %xc : tensor<32x1xf32> -> tensor<32x16xf32>
  %jf = arith.sitofp %j : tensor<16xi32> to tensor<16xf32>
  %jr = tile.expand_dims %jf, 0 : tensor<16xf32> -> tensor<1x16xf32>
  %jb = tile.broadcast %jr : tensor<1x16xf32> -> tensor<32x16xf32>
  %p = arith.mulf %xb, %jb : tensor<32x16xf32>
  %pt = tile.transpose %p, [1, 0] : tensor<32x16xf32> -> tensor<16x32xf32>
  %p3 = tile.reshape %pt : tensor<16x32xf32> -> tensor<16x4x8xf32>
  %ir = tile.expand_dims %i, 0 : tensor<32xi32> -> tensor<1x32xi32>
  %ib = tile.broadcast %ir : tensor<1x32xi32> -> tensor<16x32xi32>
  %jc = tile.expand_dims %j, 1 : tensor<16xi32> -> tensor<16x1xi32>
  %jb2 = tile.broadcast %jc : tensor<16x1xi32> -> tensor<16x32xi32>
  %m = arith.cmpi sgt, %ib, %jb2 : tensor<16x32xi32>
  %m3 = tile.reshape %m : tensor<16x32xi1> -> tensor<16x4x8xi1>
  %n = arith.constant dense<-1.0> : tensor<16x4x8xf32>
  %s = arith.select %m3, %p3, %n : tensor<16x4x8xi1>, tensor<16x4x8xf32>
  %y = tile.reshape %s : tensor<16x4x8xf32> -> tensor<16x32xf32>
  tile.store %y, %vy[%c0, %c0] along [0, 1] : tensor<16x32xf32>, !tile.view<16x32xf32>
  %m8 = arith.extui %m3 : tensor<16x4x8xi1> to tensor<16x4x8xi8>
  tile.store %m8, %vm[%c0, %c0, %c0] along [0, 1, 2] : tensor<16x4x8xi8>, !tile.view<16x4x8xi8>
  return
})mlir";
  auto x = randoms(32);
  std::vector<float> y(16 * 32);
  std::vector<int8_t> m(16 * 32);
  Args args;
  args << x.data() << y.data() << int64_t(32) << m.data() << int64_t(32) << int64_t(8);
  run(text, args);
  for (int j = 0; j < 16; ++j)
    for (int i = 0; i < 32; ++i) {
      EXPECT_EQ(y[j * 32 + i], i > j ? x[i] * j : -1);
      EXPECT_EQ(m[j * 32 + i], i > j);
    }
}

//===-- reduce and scan ----------------------------------------------------===//

/// The sum, and the maximum with its index (the first), of x along an axis of an [M, N] tile.
static std::string reductions(int M, int N, int axis) {
  std::string tile = std::to_string(M) + "x" + std::to_string(N), row = std::to_string(axis ? M : N);
  std::string n = std::to_string(axis ? N : M);
  return R"mlir(
func.func @reduce(%vx: !tile.view<)mlir" +
         tile + R"mlir(xf32> {tile.name = "x", tile.dims = [)mlir" + std::to_string(M) + ", " + std::to_string(N) +
         R"mlir(]},
    %vs: !tile.view<?xf32> {tile.name = "s", tile.dims = ["R"]}, %vm: !tile.view<?xf32> {tile.name = "m", tile.dims = ["R"]},
    %vi: !tile.view<?xi32> {tile.name = "i", tile.dims = ["R"]})
    attributes {tile.kernel, tile.grid = affine_map<() -> (1)>} {
  %c0 = arith.constant 0 : index
  %x = tile.load %vx[%c0, %c0] along [0, 1] : !tile.view<)mlir" +
         tile + "xf32> -> tensor<" + tile + R"mlir(xf32>
  %s = tile.reduce (%x) along )mlir" +
         std::to_string(axis) + R"mlir( { ^bb0(%a: f32, %b: f32):
    %c = arith.addf %a, %b : f32
    tile.yield %c : f32 } : (tensor<)mlir" +
         tile + "xf32>) -> (tensor<" + row + R"mlir(xf32>)
  %i = tile.iota : tensor<)mlir" +
         n + R"mlir(xi32>
  %ie = tile.expand_dims %i, )mlir" +
         (axis ? "0" : "1") + " : tensor<" + n + "xi32> -> tensor<" + (axis ? "1x" + n : n + "x1") + R"mlir(xi32>
  %ib = tile.broadcast %ie : tensor<)mlir" +
         (axis ? "1x" + n : n + "x1") + "xi32> -> tensor<" + tile + R"mlir(xi32>
  %m, %k = tile.reduce (%x, %ib) along )mlir" +
         std::to_string(axis) + R"mlir( { ^bb0(%a: f32, %ai: i32, %b: f32, %bi: i32):
    %gt = arith.cmpf ogt, %a, %b : f32
    %eq = arith.cmpf oeq, %a, %b : f32
    %lt = arith.cmpi slt, %ai, %bi : i32
    %tie = arith.andi %eq, %lt : i1
    %first = arith.ori %gt, %tie : i1
    %v = arith.select %first, %a, %b : f32
    %w = arith.select %first, %ai, %bi : i32
    tile.yield %v, %w : f32, i32 } : (tensor<)mlir" +
         tile + "xf32>, tensor<" + tile + "xi32>) -> (tensor<" + row + "xf32>, tensor<" + row + R"mlir(xi32>)
  tile.store %s, %vs[%c0] along [0] : tensor<)mlir" +
         row + R"mlir(xf32>, !tile.view<?xf32>
  tile.store %m, %vm[%c0] along [0] : tensor<)mlir" +
         row + R"mlir(xf32>, !tile.view<?xf32>
  tile.store %k, %vi[%c0] along [0] : tensor<)mlir" +
         row + R"mlir(xi32>, !tile.view<?xi32>
  return
})mlir";
}

TEST(CpuReduce, SumAndArgmax) {
  for (auto shape : {std::pair{32, 64}, {64, 1}, {1, 64}, {8, 4}, {2, 128}, {1, 1}, {16, 16}})
    for (int axis : {0, 1}) {
      int M = shape.first, N = shape.second;
      auto x = randoms(M * N);
      for (float &v : x)
        v = std::round(v * 20); // ties
      int R = axis ? M : N, n = axis ? N : M;
      std::vector<float> s(R), m(R);
      std::vector<int32_t> k(R);
      Args args;
      args << x.data() << int64_t(N) << s.data() << int64_t(R) << m.data() << k.data();
      run(reductions(M, N, axis), args);
      for (int r = 0; r < R; ++r) {
        auto at = [&](int i) { return axis ? x[r * N + i] : x[i * N + r]; };
        float sum = 0;
        int best = 0;
        for (int i = 0; i < n; ++i) {
          sum += at(i);
          if (at(i) > at(best))
            best = i;
        }
        EXPECT_EQ(s[r], sum) << M << " " << N << " " << axis;
        EXPECT_EQ(m[r], at(best));
        EXPECT_EQ(k[r], best);
      }
    }
}

TEST(CpuReduce, ScalarsAndBranchesInTheRegion) {
  // Least positive number, with scf.if in the region; a rank-1 reduction gives a scalar.
  const char *text = R"mlir(
func.func @least(%vx: !tile.view<?xf32> {tile.name = "x", tile.dims = ["N"]}, %vy: !tile.view<?xf32> {tile.name = "y", tile.dims = ["L"]}, %limit: f32 {tile.name = "l"})
    attributes {tile.kernel, tile.grid = affine_map<() -> (1)>} {
  %c0 = arith.constant 0 : index
  %x = tile.load %vx[%c0] along [0] : !tile.view<?xf32> -> tensor<64xf32>
  %m = tile.reduce (%x) along 0 { ^bb0(%a: f32, %b: f32):
    %ok = arith.cmpf ogt, %a, %limit : f32
    %v = scf.if %ok -> f32 {
      %both = arith.cmpf ogt, %b, %limit : f32
      %w = arith.minimumf %a, %b : f32
      %u = arith.select %both, %w, %a : f32
      scf.yield %u : f32
    } else {
      scf.yield %b : f32
    }
    tile.yield %v : f32 } : (tensor<64xf32>) -> f32
  tile.store %m, %vy[%c0] along [] : f32, !tile.view<?xf32>
  return
})mlir";
  auto x = randoms(50);
  std::vector<float> y(1);
  Args args;
  args << x.data() << int64_t(50) << y.data() << int64_t(1) << 0.0f;
  run(text, args);
  float least = 2;
  for (float v : x)
    if (v > 0)
      least = std::min(least, v);
  EXPECT_EQ(y[0], least);
}

TEST(CpuScan, BothAxesAndDirections) {
  for (auto [M, N] : {std::pair{32, 64}, {16, 1}, {1, 16}, {4, 8}, {2, 2}})
    for (int axis : {0, 1})
      for (bool reverse : {false, true})
        for (bool last : {false, true}) { // a sum; or "the later one", which is associative but not commutative
          std::string tile = std::to_string(M) + "x" + std::to_string(N) + "xf32";
          std::string dims = std::to_string(M) + ", " + std::to_string(N);
          std::string text =
              "func.func @scan(%vx: !tile.view<" + tile + "> {tile.name = \"x\", tile.dims = [" + dims +
              "]}, %vy: !tile.view<" + tile + "> {tile.name = \"y\", tile.dims = [" + dims +
              "]}) attributes {tile.kernel, tile.grid = affine_map<() -> (1)>} {\n%c0 = arith.constant 0 : index\n"
              "%x = tile.load %vx[%c0, %c0] along [0, 1] : !tile.view<" +
              tile + "> -> tensor<" + tile + ">\n%y = tile.scan (%x) along " + std::to_string(axis) +
              (reverse ? " reverse" : "") + " { ^bb0(%a: f32, %b: f32):\n" +
              (last ? "%z = arith.constant 0.0 : f32\n%t = arith.cmpf ogt, %b, %z : f32\n%s = arith.select %t, %b, %a "
                      ": f32\n"
                    : "%s = arith.addf %a, %b : f32\n") +
              "tile.yield %s : f32 } : (tensor<" + tile + ">) -> (tensor<" + tile +
              ">)\ntile.store %y, %vy[%c0, %c0] along [0, 1] : tensor<" + tile + ">, !tile.view<" + tile +
              ">\nreturn }";
          auto x = randoms(M * N);
          for (float &v : x)
            v = std::round(v * 8);
          std::vector<float> y(M * N);
          Args args;
          args << x.data() << int64_t(N) << y.data() << int64_t(N);
          run(text, args);
          int R = axis ? M : N, n = axis ? N : M;
          for (int r = 0; r < R; ++r) {
            float sum = 0;
            for (int i = 0; i < n; ++i) {
              int j = reverse ? n - 1 - i : i, at = axis ? r * N + j : j * N + r;
              sum = i == 0 ? x[at] : last ? (x[at] > 0 ? x[at] : sum) : sum + x[at];
              ASSERT_EQ(y[at], sum) << M << " " << N << " " << axis << reverse << last;
            }
          }
        }
}

//===-- dot and control flow -----------------------------------------------===//

TEST(CpuDot, MatmulRagged) {
  for (const char *cpu : Cpus)
    for (const char *type : {"bf16", "f32"})
      for (bool transposed : {false, true}) { // b is [N, K]
        std::string T = type, view = "!tile.view<?x?x" + T + ">";
        std::string b = transposed ? "[\"N\", \"K\"]" : "[\"K\", \"N\"]";
        std::string text =
            "func.func @matmul(%a: " + view + " {tile.name = \"a\", tile.dims = [\"M\", \"K\"]}, %b: " + view +
            " {tile.name = \"b\", tile.dims = " + b +
            "}, %c: !tile.view<?x?xf32> {tile.name = \"c\", tile.dims = [\"M\", \"N\"]})"
            R"mlir( attributes {tile.kernel, tile.grid = affine_map<()[M, N] -> (M ceildiv 32, N ceildiv 64)>, tile.grid_dims = ["M", "N"]} {
  %c0 = arith.constant 0 : index
  %c16 = arith.constant 16 : index
  %c32 = arith.constant 32 : index
  %c64 = arith.constant 64 : index
  %i = tile.program_id 0
  %j = tile.program_id 1
  %r = arith.muli %i, %c32 : index
  %s = arith.muli %j, %c64 : index
  %K = tile.dim %a, 1 : )mlir" +
            view + R"mlir(
  %zero = arith.constant dense<0.0> : tensor<32x64xf32>
  %sum = scf.for %k = %c0 to %K step %c16 iter_args(%acc = %zero) -> (tensor<32x64xf32>) {
    %at = tile.load %a[%r, %k] along [0, 1] : )mlir" +
            view + " -> tensor<32x16x" + T + ">\n" +
            (transposed
                 ? "%bl = tile.load %b[%s, %k] along [0, 1] : " + view + " -> tensor<64x16x" + T +
                       ">\n%bt = tile.transpose %bl, [1, 0] : tensor<64x16x" + T + "> -> tensor<16x64x" + T + ">\n"
                 : "%bt = tile.load %b[%k, %s] along [0, 1] : " + view + " -> tensor<16x64x" + T + ">\n") +
            "%d = tile.dot %at, %bt, %acc : tensor<32x16x" + T + ">, tensor<16x64x" + T + R"mlir(> -> tensor<32x64xf32>
    scf.yield %d : tensor<32x64xf32>
  }
  tile.store %sum, %c[%r, %s] along [0, 1] : tensor<32x64xf32>, !tile.view<?x?xf32>
  return
})mlir";
        auto kernel = compile(text, cpu);
        ASSERT_TRUE(kernel);
        for (auto [M, N, K] :
             {std::tuple<int64_t, int64_t, int64_t>{1, 1, 1}, {33, 65, 17}, {64, 128, 48}, {100, 70, 0}}) {
          auto a = randoms(M * K, -1, 1, 1), bm = randoms(K * N, -1, 1, 2);
          std::vector<uint16_t> a16(M * K), b16(K * N);
          for (size_t i = 0; i < a.size(); ++i)
            a16[i] = toBF16(a[i]);
          for (size_t i = 0; i < bm.size(); ++i)
            b16[i] = toBF16(bm[i]);
          bool small = T == "bf16";
          std::vector<float> c(M * N, -1);
          Args args;
          args << (small ? (void *)a16.data() : a.data()) << M << K << K << (small ? (void *)b16.data() : bm.data())
               << N << (transposed ? K : N) << c.data() << N;
          const int64_t grid[3] = {(M + 31) / 32, (N + 63) / 64, 1};
          kernel->launch(grid, args.pointers().data());
          for (int i = 0; i < M; ++i)
            for (int j = 0; j < N; ++j) {
              double sum = 0;
              for (int k = 0; k < K; ++k) {
                size_t p = i * K + k, q = transposed ? j * K + k : k * N + j;
                sum += small ? double(fromBF16(a16[p])) * fromBF16(b16[q]) : double(a[p]) * bm[q];
              }
              ASSERT_NEAR(c[i * N + j], sum, 1e-5) << M << " " << N << " " << K;
            }
        }
      }
}

TEST(CpuControl, CarriedTilesMayChangePlaces) {
  // n times: (a, b, s) = (b + s, a, s + 1); then b where p > 0, else a; s doubled while below 100.
  const char *text = R"mlir(
func.func @control(%va: !tile.view<32xf32> {tile.name = "a", tile.dims = [32]}, %vb: !tile.view<32xf32> {tile.name = "b", tile.dims = [32]},
                   %vo: !tile.view<?x32xf32> {tile.name = "o", tile.dims = ["L", 32]}, %n: index {tile.name = "n"}, %p: i32 {tile.name = "p"})
    attributes {tile.kernel, tile.grid = affine_map<() -> (1)>} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %c3 = arith.constant 3 : index
  %one = arith.constant 1.0 : f32
  %hundred = arith.constant 100.0 : f32
  %zero = arith.constant 0 : i32
  %a = tile.load %va[%c0] along [0] : !tile.view<32xf32> -> tensor<32xf32>
  %b = tile.load %vb[%c0] along [0] : !tile.view<32xf32> -> tensor<32xf32>
  %fa, %fb, %fs = scf.for %i = %c0 to %n step %c1 iter_args(%x = %a, %y = %b, %s = %one) -> (tensor<32xf32>, tensor<32xf32>, f32) {
    %t = tile.splat %s : f32 -> tensor<32xf32>
    %z = arith.addf %y, %t : tensor<32xf32>
    %u = arith.addf %s, %one : f32
    scf.yield %z, %x, %u : tensor<32xf32>, tensor<32xf32>, f32
  }
  tile.store %fa, %vo[%c0, %c0] along [1] : tensor<32xf32>, !tile.view<?x32xf32>
  tile.store %fb, %vo[%c1, %c0] along [1] : tensor<32xf32>, !tile.view<?x32xf32>
  %yes = arith.cmpi sgt, %p, %zero : i32
  %chosen = scf.if %yes -> tensor<32xf32> {
    scf.yield %fb : tensor<32xf32>
  } else {
    scf.yield %fa : tensor<32xf32>
  }
  tile.store %chosen, %vo[%c2, %c0] along [1] : tensor<32xf32>, !tile.view<?x32xf32>
  %w:2 = scf.while (%x = %chosen, %k = %fs) : (tensor<32xf32>, f32) -> (tensor<32xf32>, f32) {
    %go = arith.cmpf olt, %k, %hundred : f32
    %x1 = arith.addf %x, %x : tensor<32xf32>
    scf.condition(%go) %x1, %k : tensor<32xf32>, f32
  } do {
  ^bb0(%x: tensor<32xf32>, %k: f32):
    %k2 = arith.addf %k, %k : f32
    %t = tile.splat %one : f32 -> tensor<32xf32>
    %x2 = arith.addf %x, %t : tensor<32xf32>
    scf.yield %x2, %k2 : tensor<32xf32>, f32
  }
  tile.store %w#0, %vo[%c3, %c0] along [1] : tensor<32xf32>, !tile.view<?x32xf32>
  return
})mlir";
  for (int64_t n : {0, 1, 5})
    for (int32_t p : {0, 1}) {
      auto a = randoms(32, -1, 1, 1), b = randoms(32, -1, 1, 2);
      std::vector<float> o(4 * 32);
      Args args;
      args << a.data() << b.data() << o.data() << int64_t(4) << int64_t(32) << n << p;
      run(text, args);
      float s = 1;
      auto x = a, y = b;
      for (int i = 0; i < n; ++i) {
        auto z = y;
        for (float &v : z)
          v += s;
        y = x;
        x = z;
        s += 1;
      }
      for (int i = 0; i < 32; ++i) {
        EXPECT_EQ(o[i], x[i]);
        EXPECT_EQ(o[32 + i], y[i]);
        float w = p > 0 ? y[i] : x[i];
        EXPECT_EQ(o[64 + i], w);
        for (float k = s;; k += k) {
          w += w;
          if (!(k < 100))
            break;
          w += 1;
        }
        EXPECT_EQ(o[96 + i], w);
      }
    }
}

TEST(CpuControl, LargeTilesGetTheirStack) {
  const char *text = R"mlir(
func.func @large(%vx: !tile.view<?x?xf32> {tile.name = "x", tile.dims = ["M", "N"]}, %vy: !tile.view<?x?xf32> {tile.name = "y", tile.dims = ["M", "N"]})
    attributes {tile.kernel, tile.grid = affine_map<() -> (3)>} {
  %c0 = arith.constant 0 : index
  %x = tile.load %vx[%c0, %c0] along [0, 1] : !tile.view<?x?xf32> -> tensor<1024x1024xf32>
  %e = math.exp %x : tensor<1024x1024xf32>
  %t = tile.transpose %e, [1, 0] : tensor<1024x1024xf32> -> tensor<1024x1024xf32>
  %s = arith.addf %e, %t : tensor<1024x1024xf32>
  tile.store %s, %vy[%c0, %c0] along [0, 1] : tensor<1024x1024xf32>, !tile.view<?x?xf32>
  return
})mlir";
  const int64_t N = 1000;
  auto x = randoms(N * N);
  std::vector<float> y(N * N);
  Args args;
  args << x.data() << N << N << N << y.data() << N;
  run(text, args, {3, 1, 1});
  for (int i = 0; i < N; i += 37)
    for (int j = 0; j < N; ++j)
      ASSERT_NEAR(y[i * N + j], std::exp(x[i * N + j]) + std::exp(x[j * N + i]), 1e-5);
}

TEST(CpuErrors, AreReturned) {
  std::string error;
  EXPECT_FALSE(compile("func.func @f() { return }", "", &error));
  EXPECT_EQ(error, "the module has no kernel");
  EXPECT_FALSE(compile(R"mlir(
func.func @f(%v: !tile.view<4xf32> {tile.name = "v", tile.dims = [4]}) attributes {tile.kernel, tile.grid = affine_map<() -> (1)>} {
  tile.barrier
  return
})mlir",
                       "", &error));
  EXPECT_EQ(error, "'tile.barrier' is not supported by the CPU target: it belongs to the scheduled stage");
}
