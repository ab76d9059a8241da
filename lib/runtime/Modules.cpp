// Loading a bundle's images on devices.
#include "Bundle.h"

#include <algorithm>

namespace treadle::rt {

namespace {

constexpr int errorInvalidImage = 200, errorNoBinaryForGpu = 209;
constexpr int jitErrorLogBuffer = 5, jitErrorLogBufferSize = 6;       // CUjit_option
constexpr int attributeSharedSize = 1, attributeMaxDynamicShared = 8; // CUfunction_attribute
constexpr int sharedWithoutOptin = 48 * 1024;

// Loads PTX, with the JIT compiler's complaint in the error.
CUresult loadPtx(const Driver &driver, CUmodule *module, const std::string &ptx, std::string &log) {
  log.assign(8192, '\0');
  int options[] = {jitErrorLogBuffer, jitErrorLogBufferSize};
  void *values[] = {log.data(), reinterpret_cast<void *>(log.size())};
  CUresult result = driver.cuModuleLoadDataEx(module, ptx.c_str(), 2, options, values);
  log.resize(std::min(log.find('\0'), log.size()));
  while (!log.empty() && (log.back() == '\n' || log.back() == ' '))
    log.pop_back();
  return result;
}

} // namespace

std::optional<Arch> Arch::parse(std::string_view name) {
  if (name.substr(0, 3) != "sm_")
    return std::nullopt;
  name.remove_prefix(3);
  Arch arch{0, 0, 0};
  if (!name.empty() && (name.back() == 'a' || name.back() == 'f')) {
    arch.suffix = name.back();
    name.remove_suffix(1);
  }
  if (name.size() < 2 || name.size() > 4 || name.find_first_not_of("0123456789") != std::string_view::npos)
    return std::nullopt;
  int number = 0;
  for (char digit : name)
    number = number * 10 + (digit - '0');
  arch.major = number / 10, arch.minor = number % 10;
  return arch;
}

bool Arch::cubinRunsOn(int deviceMajor, int deviceMinor) const {
  return deviceMajor == major && (suffix == 'a' ? deviceMinor == minor : deviceMinor >= minor);
}

bool Arch::ptxRunsOn(int deviceMajor, int deviceMinor) const {
  return suffix ? cubinRunsOn(deviceMajor, deviceMinor)
                : deviceMajor > major || (deviceMajor == major && deviceMinor >= minor);
}

CUmodule Bundle::loadImage(const Driver &driver, const Device &device) const {
  if (cubin.empty() && ptx.empty())
    fail(TREADLE_RT_ERROR_DRIVER, "expected a cubin or PTX to load, found neither in the bundle");
  auto arch = Arch::parse(manifest.arch);
  if (!arch)
    fail(TREADLE_RT_ERROR_DRIVER, "expected a bundle compiled for a CUDA device (arch sm_NN), found arch '",
         manifest.arch, "'");
  bool useCubin = !cubin.empty() && arch->cubinRunsOn(device.major, device.minor);
  bool usePtx = !ptx.empty() && arch->ptxRunsOn(device.major, device.minor);
  if (!useCubin && !usePtx) {
    std::string range = arch->suffix == 'a'           ? ""
                        : ptx.empty() || arch->suffix ? cat(" or a later ", arch->major, ".x")
                                                      : " or later";
    fail(TREADLE_RT_ERROR_DRIVER, "expected a device of compute capability ", arch->major, ".", arch->minor, range,
         " (compiled for ", manifest.arch, ptx.empty() ? " without PTX" : "", "), found ", device.major, ".",
         device.minor, " (", device.name, ")");
  }

  CUmodule module = nullptr;
  if (useCubin) {
    CUresult result = driver.cuModuleLoadDataEx(&module, cubin.data(), 0, nullptr, nullptr);
    if (result == 0)
      return module;
    bool unfit = result == errorInvalidImage || result == errorNoBinaryForGpu;
    if (!unfit || !usePtx)
      driver.failCall(result, "cuModuleLoadDataEx", "of the cubin");
  }
  std::string log;
  if (CUresult result = loadPtx(driver, &module, ptx, log))
    driver.failCall(result, "cuModuleLoadDataEx", log.empty() ? "of the PTX" : cat("of the PTX: ", log));
  return module;
}

void Bundle::prepareFunctions(const Driver &driver, LoadedModule &loaded) const {
  const Device &device = *loaded.device;
  for (const LaunchSpec &launch : manifest.launches) {
    CUfunction function = nullptr;
    if (CUresult result = driver.cuModuleGetFunction(&function, loaded.module, launch.entry.c_str()))
      driver.failCall(result, "cuModuleGetFunction", cat("of entry '", launch.entry, "'"));
    loaded.functions.push_back(function);

    int fixed = 0;
    TREADLE_CUDA(driver, cuFuncGetAttribute, &fixed, attributeSharedSize, function);
    int64_t total = int64_t(launch.sharedBytes) + fixed;
    if (total > device.sharedLimit)
      fail(TREADLE_RT_ERROR_DRIVER, "entry '", launch.entry, "': expected at most ", device.sharedLimit,
           " bytes of shared memory, the limit of ", device.name, ", found ", total);
    // Two launches of one entry: the later, smaller one must not lower the limit.
    int64_t largest = 0;
    for (const LaunchSpec &other : manifest.launches)
      if (other.entry == launch.entry)
        largest = std::max<int64_t>(largest, other.sharedBytes);
    if (largest + fixed > sharedWithoutOptin)
      TREADLE_CUDA(driver, cuFuncSetAttribute, function, attributeMaxDynamicShared, static_cast<int>(largest));
  }
}

LoadedModule Bundle::load(const Driver &driver, const Device &device) const {
  ContextScope scope(driver, device);
  LoadedModule loaded{&device, loadImage(driver, device), {}};
  try {
    prepareFunctions(driver, loaded);
  } catch (...) {
    driver.cuModuleUnload(loaded.module);
    throw;
  }
  return loaded;
}

const LoadedModule &Bundle::module(const Driver &driver, int ordinal) {
  const Device &device = driver.device(ordinal);
  std::atomic<const LoadedModule *> &slot = modules[ordinal];
  if (const LoadedModule *loaded = slot.load(std::memory_order_acquire))
    return *loaded;
  std::lock_guard lock(mutex);
  if (const LoadedModule *loaded = slot.load(std::memory_order_relaxed))
    return *loaded;
  const LoadedModule *loaded = new LoadedModule(load(driver, device));
  slot.store(loaded, std::memory_order_release);
  return *loaded;
}

Bundle::~Bundle() {
  for (auto &slot : modules)
    delete slot.load();
}

void Bundle::unload() {
  std::lock_guard lock(mutex);
  for (auto &slot : modules) {
    std::unique_ptr<const LoadedModule> loaded(slot.exchange(nullptr));
    if (!loaded)
      continue;
    const Driver &driver = Driver::get();
    ContextScope scope(driver, *loaded->device);
    TREADLE_CUDA(driver, cuCtxSynchronize);
    TREADLE_CUDA(driver, cuModuleUnload, loaded->module);
  }
}

} // namespace treadle::rt
