// Putting prepared launches on a stream.
#include "Prepared.h"

#include <algorithm>

namespace treadle::rt {

namespace {

// A copy of a launch's parameters with other base addresses.
class ReboundParams {
public:
  ReboundParams(const PreparedLaunch &launch, void *const *pointers) {
    size_t count = launch.values.size();
    uint64_t *values = fixedValues;
    params = fixedParams;
    if (count > fixedCount) {
      values = (largeValues = std::make_unique<uint64_t[]>(count)).get();
      params = (largeParams = std::make_unique<void *[]>(count)).get();
    }
    std::copy(launch.values.begin(), launch.values.end(), values);
    for (const auto &[slot, tensor] : launch.pointers)
      values[slot] = reinterpret_cast<uint64_t>(pointers[tensor]);
    for (size_t i = 0; i < count; ++i)
      params[i] = &values[i];
  }

  void **params;

private:
  static constexpr size_t fixedCount = 64;
  uint64_t fixedValues[fixedCount];
  void *fixedParams[fixedCount];
  std::unique_ptr<uint64_t[]> largeValues;
  std::unique_ptr<void *[]> largeParams;
};

void launchOne(const Driver &driver, CUfunction function, const PreparedLaunch &launch, void **params, void *stream) {
  const auto &block = launch.spec->block;
  TREADLE_CUDA(driver, cuLaunchKernel, function, static_cast<unsigned>(launch.grid[0]),
               static_cast<unsigned>(launch.grid[1]), static_cast<unsigned>(launch.grid[2]), block[0], block[1],
               block[2], launch.spec->sharedBytes, static_cast<CUstream>(stream), params, nullptr);
}

// Runs f with the kernel's name put before its errors.
template <typename F> void named(const std::string &name, F f) {
  try {
    f();
  } catch (const Error &error) {
    throw Error{error.status, cat(name, ": ", error.message)};
  }
}

} // namespace

void launch(const treadle_rt_prepared &prepared, void *const *pointers, void *stream) {
  const Manifest &manifest = prepared.bundle->manifest;
  if (prepared.device < 0)
    fail(TREADLE_RT_ERROR_ARGUMENT, manifest.name, ": argument '", prepared.tensors[0].param->name,
         "': expected a tensor on a CUDA device, found one on the CPU");
  const Driver *driver = nullptr;
  const LoadedModule *loaded = nullptr;
  named(manifest.name, [&] {
    driver = &Driver::get();
    loaded = &prepared.bundle->module(*driver, prepared.device);
  });
  ContextScope scope(*driver, *loaded->device);
  for (size_t i = 0; i < prepared.launches.size(); ++i) {
    const PreparedLaunch &launch = prepared.launches[i];
    if (launch.isEmpty())
      continue;
    const std::string &entry = launch.spec->entry;
    try {
      if (pointers)
        launchOne(*driver, loaded->functions[i], launch, ReboundParams(launch, pointers).params, stream);
      else
        launchOne(*driver, loaded->functions[i], launch, const_cast<void **>(launch.params.data()), stream);
    } catch (const Error &error) {
      throw Error{error.status, entry == manifest.name ? cat(manifest.name, ": ", error.message)
                                                       : cat(manifest.name, ": entry '", entry, "': ", error.message)};
    }
  }
}

void preload(Bundle &bundle, int device) {
  named(bundle.manifest.name, [&] { bundle.module(Driver::get(), device); });
}

} // namespace treadle::rt
