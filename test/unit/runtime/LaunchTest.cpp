// The GPU path, against a driver that records what it is asked (fake_cuda.c). Its devices: 0 is a 9.0, 1 a 10.0, 2 an
// 8.0, 3 a 9.2.
#include "Support.h"

#include <atomic>
#include <dlfcn.h>
#include <fstream>
#include <thread>

using namespace testing_rt;

namespace {

const std::string cubin = std::string("\x7f"
                                      "ELF") +
                          std::string(60, '\0');
const std::string ptx = ".version 8.0\n.target sm_90a\n";

class Launch : public testing::Test {
protected:
  void SetUp() override {
    setenv("TREADLE_LIBCUDA", FAKE_CUDA, 1);
    fake = dlopen(FAKE_CUDA, RTLD_NOW);
    ASSERT_TRUE(fake) << dlerror();
    call<void (*)()>("fake_reset")();
    set("count", 4);
  }
  template <typename F> F call(const char *name) { return reinterpret_cast<F>(dlsym(fake, name)); }
  void set(const std::string &key, long value) { call<void (*)(const char *, long)>("fake_set")(key.c_str(), value); }
  std::string log() { return call<const char *(*)()>("fake_log")(); }
  long contextDepth() { return call<long (*)()>("fake_context_depth")(); }

  static void *stream(uint64_t value) { return reinterpret_cast<void *>(value); }

  // Runs rms_norm's manifest on a device; the complaint or the log.
  std::string run(const std::string &manifest, int device, bool hasCubin = true, bool hasPtx = true) {
    auto bundle = open(manifest);
    if (hasCubin)
      EXPECT_EQ(treadle_rt_add_image(bundle.get(), cubin.data(), cubin.size()), 0);
    if (hasPtx)
      EXPECT_EQ(treadle_rt_add_image(bundle.get(), ptx.data(), ptx.size()), 0);
    Tensor x(0x10000, {8, 1024}, {}, device), y(0x20000, {8, 1024}, {}, device);
    treadle_rt_arg args[] = {x.arg(), y.arg(), treadle_rt_arg_default()};
    int status = treadle_rt_run(bundle.get(), args, 3, nullptr);
    EXPECT_EQ(contextDepth(), 0);
    return status ? treadle_rt_last_error() : log();
  }

  void *fake = nullptr;
};

TEST_F(Launch, ArgumentsAndStream) {
  set("params", 6);
  auto bundle = open(rmsNorm, cubin);
  Tensor x(0x10000, {8, 1024}, {}, 0), y(0x20000, {8, 1024}, {}, 0);
  auto prepared = prepare(bundle, {x.arg(), y.arg(), treadle_rt_arg_float(0.5)});
  ASSERT_EQ(treadle_rt_launch(prepared.get(), stream(0xabc0)), 0) << treadle_rt_last_error();
  void *pointers[] = {reinterpret_cast<void *>(0x50000), reinterpret_cast<void *>(0x60000)};
  ASSERT_EQ(treadle_rt_launch_pointers(prepared.get(), pointers, 2, stream(0xdef0)), 0) << treadle_rt_last_error();
  ASSERT_EQ(treadle_rt_launch(prepared.get(), nullptr), 0);
  EXPECT_EQ(log(), "cuModuleLoadDataEx cubin device=0\n"
                   "cuLaunchKernel rms_norm grid=2,1,1 block=128,1,1 shared=0 stream=0xabc0 device=0 "
                   "params=0x10000,0x8,0x400,0x20000,0x400,0x3f000000\n"
                   "cuLaunchKernel rms_norm grid=2,1,1 block=128,1,1 shared=0 stream=0xdef0 device=0 "
                   "params=0x50000,0x8,0x400,0x60000,0x400,0x3f000000\n"
                   "cuLaunchKernel rms_norm grid=2,1,1 block=128,1,1 shared=0 stream=0 device=0 "
                   "params=0x10000,0x8,0x400,0x20000,0x400,0x3f000000\n");
  pointers[0] = nullptr;
  EXPECT_EQ(treadle_rt_launch_pointers(prepared.get(), pointers, 2, nullptr), TREADLE_RT_ERROR_ARGUMENT);
  EXPECT_STREQ(treadle_rt_last_error(),
               "rms_norm: argument 'x': expected an address, found null with elements to access");
  EXPECT_EQ(treadle_rt_launch_pointers(prepared.get(), nullptr, 0, nullptr), TREADLE_RT_ERROR_ARGUMENT);
}

TEST_F(Launch, ManyParameters) {
  std::string args = "\"args\": [";
  for (int i = 0; i < 70; ++i)
    args += "{\"dim\": \"M\"}, ";
  auto bundle = open(replaced(rmsNorm, "\"args\": [", args), cubin);
  Tensor x(0x10000, {8, 1024}, {}, 0), y(0x20000, {8, 1024}, {}, 0);
  auto prepared = prepare(bundle, {x.arg(), y.arg(), treadle_rt_arg_float(0.5)});
  void *pointers[] = {reinterpret_cast<void *>(0x50000), reinterpret_cast<void *>(0x60000)};
  EXPECT_EQ(treadle_rt_launch_pointers(prepared.get(), pointers, 2, nullptr), 0);
}

TEST_F(Launch, SeveralLaunchesAndEmptyGrids) {
  Tensor x(0x10000, {8, 1024}, {}, 1), y(0x20000, {8, 1024}, {}, 1);
  auto bundle = open(replaced(replaced(rmsNorm, "sm_90a", "sm_100a"), "\"launches\": [", R"("launches": [
    {"entry": "first", "grid": ["M", 2], "block": [32], "args": []},
    {"entry": "never", "grid": [["-", "M", 8]], "block": [32], "args": []},)"),
                     cubin);
  treadle_rt_arg args[] = {x.arg(), y.arg(), treadle_rt_arg_default()};
  ASSERT_EQ(treadle_rt_run(bundle.get(), args, 3, nullptr), 0) << treadle_rt_last_error();
  EXPECT_EQ(log(), "cuModuleLoadDataEx cubin device=1\n"
                   "cuLaunchKernel first grid=8,2,1 block=32,1,1 shared=0 stream=0 device=1\n"
                   "cuLaunchKernel rms_norm grid=2,1,1 block=128,1,1 shared=0 stream=0 device=1\n");
  set("fail cuLaunchKernel", 1);
  EXPECT_EQ(treadle_rt_run(bundle.get(), args, 3, nullptr), TREADLE_RT_ERROR_DRIVER);
  EXPECT_STREQ(treadle_rt_last_error(),
               "rms_norm: entry 'first': cuLaunchKernel: CUDA_ERROR_INVALID_VALUE: invalid argument");
}

TEST_F(Launch, ErrorsNameTheKernelAndTheCall) {
  set("fail cuLaunchKernel", 1);
  EXPECT_EQ(run(rmsNorm, 0), "rms_norm: cuLaunchKernel: CUDA_ERROR_INVALID_VALUE: invalid argument");
  set("fail cuLaunchKernel", 4242);
  EXPECT_EQ(run(rmsNorm, 0), "rms_norm: cuLaunchKernel: error 4242");
  set("fail cuModuleGetFunction", 500);
  EXPECT_EQ(run(rmsNorm, 0),
            "rms_norm: cuModuleGetFunction: CUDA_ERROR_NOT_FOUND: named symbol not found: of entry 'rms_norm'");
  EXPECT_NE(log().find("cuModuleUnload\n"), std::string::npos);
  set("fail cubin", 2);
  EXPECT_EQ(run(rmsNorm, 0), "rms_norm: cuModuleLoadDataEx: CUDA_ERROR_OUT_OF_MEMORY: out of memory: of the cubin");
  set("fail ptx", 218);
  EXPECT_EQ(run(rmsNorm, 0, false),
            "rms_norm: cuModuleLoadDataEx: CUDA_ERROR_INVALID_PTX: a PTX JIT compilation failed: of the PTX: ptxas "
            "application ptx input, line 1; fatal : bad");
}

TEST_F(Launch, TensorsOnTheCpu) {
  EXPECT_EQ(run(rmsNorm, -1), "rms_norm: argument 'x': expected a tensor on a CUDA device, found one on the CPU");
}

TEST_F(Launch, UnknownDevices) {
  EXPECT_EQ(run(rmsNorm, 17), "rms_norm: expected a device below 4, the number of CUDA devices, found 17");
  EXPECT_EQ(run(rmsNorm, 1000), "rms_norm: expected a device from 0 to 63, found 1000");
}

// The image that was loaded, or the complaint.
std::string image(const std::string &text) {
  size_t at = text.find("cuModuleLoadDataEx ");
  return at == std::string::npos || text.rfind("rms_norm", 0) == 0
             ? text
             : text.substr(at + 19, text.find(' ', at + 19) - at - 19);
}

TEST_F(Launch, ChoiceOfImage) {
  std::string plain = replaced(rmsNorm, "sm_90a", "sm_90"), family = replaced(rmsNorm, "sm_90a", "sm_100f");
  auto choose = [&](auto... args) {
    call<void (*)()>("fake_reset")();
    set("count", 4);
    return image(run(args...));
  };
  // sm_90a runs on 9.0 alone, whatever the image.
  EXPECT_EQ(choose(rmsNorm, 0), "cubin");
  EXPECT_EQ(choose(rmsNorm, 0, false), "ptx");
  EXPECT_EQ(choose(rmsNorm, 1), "rms_norm: expected a device of compute capability 9.0 (compiled for sm_90a), found "
                                "10.0 (Fake GPU 1)");
  EXPECT_EQ(choose(rmsNorm, 3),
            "rms_norm: expected a device of compute capability 9.0 (compiled for sm_90a), found 9.2 (Fake GPU 3)");
  // sm_90: the cubin on 9.x, the PTX on anything later.
  EXPECT_EQ(choose(plain, 0), "cubin");
  EXPECT_EQ(choose(plain, 3), "cubin");
  EXPECT_EQ(choose(plain, 1), "ptx");
  EXPECT_EQ(choose(plain, 1, true, false), "rms_norm: expected a device of compute capability 9.0 or a later 9.x "
                                           "(compiled for sm_90 without PTX), found 10.0 (Fake GPU 1)");
  EXPECT_EQ(choose(plain, 2), "rms_norm: expected a device of compute capability 9.0 or later (compiled for sm_90), "
                              "found 8.0 (Fake GPU 2)");
  EXPECT_EQ(choose(family, 1), "cubin");
  EXPECT_EQ(choose(rmsNorm, 0, false, false), "rms_norm: expected a cubin or PTX to load, found neither in the bundle");
  EXPECT_EQ(choose(replaced(rmsNorm, "sm_90a", "x86-64"), 0),
            "rms_norm: expected a bundle compiled for a CUDA device (arch sm_NN), found arch 'x86-64'");
}

TEST_F(Launch, PtxAfterACubinTheDriverCannotUse) {
  set("fail cubin", 209);
  EXPECT_EQ(run(rmsNorm, 0).find("cuModuleLoadDataEx cubin device=0\ncuModuleLoadDataEx ptx device=0\ncuLaunchKernel "),
            0u);
}

TEST_F(Launch, SharedMemory) {
  auto withShared = [](int bytes) {
    return replaced(rmsNorm, "\"shared_bytes\": 0", "\"shared_bytes\": " + std::to_string(bytes));
  };
  EXPECT_EQ(run(withShared(49152), 0).find("cuFuncSetAttribute"), std::string::npos);
  EXPECT_NE(run(withShared(65536), 0).find("cuFuncSetAttribute rms_norm 8=65536\n"), std::string::npos);
  EXPECT_NE(log().find("shared=65536"), std::string::npos);
  EXPECT_EQ(run(withShared(232449), 0), "rms_norm: entry 'rms_norm': expected at most 232448 bytes of shared memory, "
                                        "the limit of Fake GPU 0, found 232449");
  set("static_shared", 1024);
  EXPECT_NE(run(withShared(49152), 0).find("cuFuncSetAttribute rms_norm 8=49152\n"), std::string::npos);
  EXPECT_EQ(run(withShared(232448), 0), "rms_norm: entry 'rms_norm': expected at most 232448 bytes of shared memory, "
                                        "the limit of Fake GPU 0, found 233472");
  set("fail cuFuncSetAttribute", 1);
  EXPECT_EQ(run(withShared(65536), 0), "rms_norm: cuFuncSetAttribute: CUDA_ERROR_INVALID_VALUE: invalid argument");
}

TEST_F(Launch, ModulesAreLoadedOnceByManyThreads) {
  auto bundle = open(rmsNorm, cubin);
  Tensor x(0x10000, {8, 1024}, {}, 0), y(0x20000, {8, 1024}, {}, 0);
  auto prepared = prepare(bundle, {x.arg(), y.arg(), treadle_rt_arg_default()});
  std::atomic<int> failures{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 20; ++i)
        failures += treadle_rt_launch(prepared.get(), nullptr) != 0;
    });
  for (auto &thread : threads)
    thread.join();
  EXPECT_EQ(failures, 0);
  std::string text = log();
  EXPECT_EQ(text.find("cuModuleLoadDataEx"), text.rfind("cuModuleLoadDataEx"));
}

TEST_F(Launch, LoadAndUnload) {
  auto bundle = open(rmsNorm, cubin);
  ASSERT_EQ(treadle_rt_load(bundle.get(), 0), 0);
  ASSERT_EQ(treadle_rt_load(bundle.get(), 0), 0);
  ASSERT_EQ(treadle_rt_unload(bundle.get()), 0);
  ASSERT_EQ(treadle_rt_unload(bundle.get()), 0);
  EXPECT_EQ(log(), "cuModuleLoadDataEx cubin device=0\ncuCtxSynchronize\ncuModuleUnload\n");
  EXPECT_EQ(contextDepth(), 0);
}

TEST_F(Launch, ClosingLeavesModulesLoaded) {
  auto bundle = open(rmsNorm, cubin);
  ASSERT_EQ(treadle_rt_load(bundle.get(), 0), 0);
  bundle.reset();
  EXPECT_EQ(log(), "cuModuleLoadDataEx cubin device=0\n");
}

TEST_F(Launch, ImagesOfAFolder) {
  std::string folder = testing::TempDir(), path = folder + "treadle_rt_launch_test.json";
  std::ofstream(path) << replaced(rmsNorm, "\"arch\": \"sm_90a\"",
                                  "\"arch\": \"sm_90a\", \"files\": {\"ptx\": \"treadle_rt_launch_test.ptx\", "
                                  "\"cubin\": \"treadle_rt_missing.cubin\"}");
  std::ofstream(folder + "treadle_rt_launch_test.ptx") << ptx;
  treadle_rt_bundle *bundle = nullptr;
  ASSERT_EQ(treadle_rt_open(path.c_str(), &bundle), 0) << treadle_rt_last_error();
  std::remove(path.c_str());
  std::remove((folder + "treadle_rt_launch_test.ptx").c_str());
  EXPECT_EQ(treadle_rt_load(bundle, 0), 0) << treadle_rt_last_error();
  EXPECT_EQ(log(), "cuModuleLoadDataEx ptx device=0\n");
  treadle_rt_close(bundle);
}

TEST_F(Launch, DeviceHelpers) {
  int count = 0, major = 0, minor = 0, device = -1;
  char name[8];
  ASSERT_EQ(treadle_rt_device_count(&count), 0);
  EXPECT_EQ(count, 4);
  ASSERT_EQ(treadle_rt_device_name(1, name, sizeof name), 0);
  EXPECT_STREQ(name, "Fake GP");
  ASSERT_EQ(treadle_rt_device_capability(2, &major, &minor), 0);
  EXPECT_EQ(major * 10 + minor, 80);

  void *a = nullptr, *b = nullptr;
  int values[4] = {1, 2, 3, 4}, back[4] = {};
  ASSERT_EQ(treadle_rt_alloc(0, sizeof values, &a), 0);
  ASSERT_EQ(treadle_rt_alloc(0, 0, &b), 0);
  ASSERT_EQ(treadle_rt_free(0, b), 0);
  ASSERT_EQ(treadle_rt_alloc(0, sizeof values, &b), 0);
  ASSERT_EQ(treadle_rt_copy_to_device(0, a, values, sizeof values), 0);
  ASSERT_EQ(treadle_rt_copy_on_device(0, b, a, sizeof values), 0);
  ASSERT_EQ(treadle_rt_memset(0, b, 0, 4), 0);
  ASSERT_EQ(treadle_rt_copy_from_device(0, back, b, sizeof values), 0);
  EXPECT_EQ(back[0], 0);
  EXPECT_EQ(back[3], 4);
  ASSERT_EQ(treadle_rt_pointer_device(a, &device), 0);
  EXPECT_EQ(device, 1);
  EXPECT_EQ(treadle_rt_synchronize(0), 0);
  EXPECT_EQ(treadle_rt_free(0, a), 0);
  EXPECT_EQ(treadle_rt_free(0, b), 0);
  EXPECT_EQ(treadle_rt_free(0, nullptr), 0);
  set("fail cuMemAlloc", 2);
  EXPECT_EQ(treadle_rt_alloc(0, 4, &a), TREADLE_RT_ERROR_DRIVER);
  EXPECT_STREQ(treadle_rt_last_error(), "cuMemAlloc: CUDA_ERROR_OUT_OF_MEMORY: out of memory");
  EXPECT_EQ(contextDepth(), 0);

  treadle_rt_event *start = nullptr, *end = nullptr;
  float milliseconds = 0;
  ASSERT_EQ(treadle_rt_event_create(0, &start), 0);
  ASSERT_EQ(treadle_rt_event_create(0, &end), 0);
  ASSERT_EQ(treadle_rt_event_record(start, nullptr), 0);
  ASSERT_EQ(treadle_rt_event_record(end, nullptr), 0);
  ASSERT_EQ(treadle_rt_event_elapsed(start, end, &milliseconds), 0);
  EXPECT_EQ(milliseconds, 1.5f);
  treadle_rt_event_destroy(start);
  treadle_rt_event_destroy(end);
}

// Runs before Launch's tests open the driver: gtest orders a *DeathTest suite first, and it runs in a child process.
TEST(DriverDeathTest, MissingDriver) {
  testing::FLAGS_gtest_death_test_style = "fast";
  auto inChild = [](const char *library, const char *init) {
    setenv("TREADLE_LIBCUDA", library, 1);
    if (init)
      setenv("FAKE_CUDA_INIT", init, 1);
    int count;
    int status = treadle_rt_device_count(&count);
    fprintf(stderr, "%s", treadle_rt_last_error());
    _exit(status);
  };
  EXPECT_EXIT(inChild("/nowhere/libcuda.so", nullptr), testing::ExitedWithCode(TREADLE_RT_ERROR_DRIVER),
              "TREADLE_LIBCUDA: expected the path of the NVIDIA driver library, found '/nowhere/libcuda.so'");
  EXPECT_EXIT(inChild("libdl.so.2", nullptr), testing::ExitedWithCode(TREADLE_RT_ERROR_DRIVER),
              "expected an NVIDIA driver that has cuInit, found one without it");
  EXPECT_EXIT(inChild(FAKE_CUDA, "100"), testing::ExitedWithCode(TREADLE_RT_ERROR_DRIVER),
              "cuInit: CUDA_ERROR_NO_DEVICE: no CUDA-capable device is detected");
}

} // namespace
