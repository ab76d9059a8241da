#include "Driver.h"

#include <array>
#include <atomic>
#include <cstdlib>
#include <dlfcn.h>
#include <memory>
#include <mutex>

namespace treadle::rt {

namespace {

// CUdevice_attribute
constexpr int attributeMajor = 75, attributeMinor = 76, attributeSharedOptin = 97;

std::mutex openMutex, deviceMutex;
std::atomic<const Driver *> theDriver{nullptr};
std::array<std::atomic<const Device *>, Driver::maxDevices> theDevices{};

void *openLibrary() {
  if (const char *path = std::getenv("TREADLE_LIBCUDA"); path && *path) {
    if (void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL))
      return library;
    fail(TREADLE_RT_ERROR_DRIVER, "TREADLE_LIBCUDA: expected the path of the NVIDIA driver library, found '", path,
         "': ", dlerror());
  }
  for (const char *path : {"libcuda.so.1", "/usr/local/nvidia/lib64/libcuda.so.1"})
    if (void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL))
      return library;
  fail(TREADLE_RT_ERROR_DRIVER, "expected the NVIDIA driver library libcuda.so.1, found none on the library path or in "
                                "/usr/local/nvidia/lib64");
}

} // namespace

void Driver::open() {
  void *library = openLibrary();
  auto close = [](void *handle) { dlclose(handle); };
  std::unique_ptr<void, decltype(close)> guard(library, close);
#define TREADLE_CUDA_LOAD(member, symbol, parameters)                                                                  \
  member = reinterpret_cast<decltype(member)>(dlsym(library, #symbol));                                                \
  if (!member)                                                                                                         \
    fail(TREADLE_RT_ERROR_DRIVER, "expected an NVIDIA driver that has " #symbol ", found one without it");
  TREADLE_CUDA_CALLS(TREADLE_CUDA_LOAD)
#undef TREADLE_CUDA_LOAD
  TREADLE_CUDA(*this, cuInit, 0);
  static_cast<void>(guard.release()); // it stays open
}

const Driver &Driver::get() {
  if (const Driver *driver = theDriver.load(std::memory_order_acquire))
    return *driver;
  std::lock_guard lock(openMutex);
  if (const Driver *driver = theDriver.load(std::memory_order_relaxed))
    return *driver;
  auto driver = std::make_unique<Driver>();
  driver->open();
  theDriver.store(driver.get(), std::memory_order_release);
  return *driver.release(); // for the life of the process
}

void Driver::failCall(CUresult result, const char *call, std::string_view detail) const {
  const char *name = nullptr, *text = nullptr;
  if (cuGetErrorName(result, &name) != 0)
    name = nullptr;
  if (cuGetErrorString(result, &text) != 0)
    text = nullptr;
  std::string message = cat(call, ": ", name ? name : cat("error ", result), text ? ": " : "", text ? text : "");
  if (!detail.empty())
    message += cat(": ", detail);
  throw Error{TREADLE_RT_ERROR_DRIVER, std::move(message)};
}

int Driver::deviceCount() const {
  int count = 0;
  TREADLE_CUDA(*this, cuDeviceGetCount, &count);
  return count;
}

Device Driver::makeDevice(int ordinal) const {
  int count = deviceCount();
  if (ordinal < 0 || ordinal >= count)
    fail(TREADLE_RT_ERROR_DRIVER, "expected a device below ", count, ", the number of CUDA devices, found ", ordinal);
  Device device{};
  device.ordinal = ordinal;
  TREADLE_CUDA(*this, cuDeviceGet, &device.handle, ordinal);
  char name[256] = "";
  TREADLE_CUDA(*this, cuDeviceGetName, name, sizeof name, device.handle);
  device.name = name;
  TREADLE_CUDA(*this, cuDeviceGetAttribute, &device.major, attributeMajor, device.handle);
  TREADLE_CUDA(*this, cuDeviceGetAttribute, &device.minor, attributeMinor, device.handle);
  TREADLE_CUDA(*this, cuDeviceGetAttribute, &device.sharedLimit, attributeSharedOptin, device.handle);
  TREADLE_CUDA(*this, cuDevicePrimaryCtxRetain, &device.context, device.handle);
  return device;
}

const Device &Driver::device(int ordinal) const {
  if (ordinal < 0 || ordinal >= maxDevices)
    fail(TREADLE_RT_ERROR_DRIVER, "expected a device from 0 to ", maxDevices - 1, ", found ", ordinal);
  std::atomic<const Device *> &slot = theDevices[ordinal];
  if (const Device *device = slot.load(std::memory_order_acquire))
    return *device;
  std::lock_guard lock(deviceMutex);
  if (const Device *device = slot.load(std::memory_order_relaxed))
    return *device;
  const Device *device = new Device(makeDevice(ordinal)); // for the life of the process
  slot.store(device, std::memory_order_release);
  return *device;
}

ContextScope::ContextScope(const Driver &driver, const Device &device) : driver(driver) {
  CUcontext current = nullptr;
  TREADLE_CUDA(driver, cuCtxGetCurrent, &current);
  if (current == device.context)
    return;
  TREADLE_CUDA(driver, cuCtxPushCurrent, device.context);
  pushed = true;
}

ContextScope::~ContextScope() {
  CUcontext popped;
  if (pushed)
    driver.cuCtxPopCurrent(&popped);
}

} // namespace treadle::rt
