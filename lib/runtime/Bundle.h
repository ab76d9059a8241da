// A bundle: its manifest, its images, and the modules made of them on each device.
#pragma once

#include "Driver.h"
#include "Manifest.h"

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace treadle::rt {

// The target of an image: "sm_90a" is {9, 0, 'a'}.
struct Arch {
  int major, minor;
  char suffix; // 'a': that compute capability exactly; 'f': its family; 0: it and later ones

  static std::optional<Arch> parse(std::string_view name);
  bool cubinRunsOn(int major, int minor) const;
  bool ptxRunsOn(int major, int minor) const;
};

// A bundle's module on one device.
struct LoadedModule {
  const Device *device;
  CUmodule module;
  std::vector<CUfunction> functions; // one for each launch of the manifest
};

class Bundle {
public:
  static std::shared_ptr<Bundle> openFile(const std::string &path);
  static std::shared_ptr<Bundle> openMemory(std::string_view manifest);

  explicit Bundle(Manifest manifest) : manifest(std::move(manifest)) {}
  ~Bundle(); // leaves its modules loaded: CUDA graphs may hold their kernels
  Bundle(const Bundle &) = delete;
  Bundle &operator=(const Bundle &) = delete;

  const Manifest manifest;

  // Keeps a copy of a cubin or PTX, in place of one of that sort it has.
  void addImage(std::string_view image);

  // The module on a device, loaded at first use.
  const LoadedModule &module(const Driver &driver, int device);

  // Unloads every module, after the work of its device.
  void unload();

private:
  LoadedModule load(const Driver &driver, const Device &device) const;
  CUmodule loadImage(const Driver &driver, const Device &device) const;
  void prepareFunctions(const Driver &driver, LoadedModule &loaded) const;

  std::string cubin, ptx; // empty: none
  std::mutex mutex;
  std::array<std::atomic<const LoadedModule *>, Driver::maxDevices> modules{};
};

} // namespace treadle::rt

struct treadle_rt_bundle {
  std::shared_ptr<treadle::rt::Bundle> bundle;
  std::vector<std::vector<const char *>> dimNames; // for treadle_rt_param_info
};
