// Checked arguments, and the launches computed from them.
#pragma once

#include "Bundle.h"

#include <memory>
#include <vector>

namespace treadle::rt {

struct PreparedLaunch {
  const LaunchSpec *spec;
  int64_t grid[3];
  std::vector<uint64_t> values; // of the entry's parameters
  std::vector<void *> params;   // to each of them
  struct Pointer {
    int slot, tensor;
  };
  std::vector<Pointer> pointers; // the slots that hold base addresses

  bool isEmpty() const { return grid[0] == 0 || grid[1] == 0 || grid[2] == 0; }
};

// What a tensor's base address is checked for.
struct TensorBase {
  const Param *param;
  bool isEmpty; // no elements: any address will do
};

} // namespace treadle::rt

struct treadle_rt_prepared {
  std::shared_ptr<treadle::rt::Bundle> bundle;
  int device = -1; // -1: the CPU
  std::vector<treadle::rt::TensorBase> tensors;
  std::vector<treadle::rt::PreparedLaunch> launches;
};

namespace treadle::rt {

// Checks arguments against the manifest and marshals them.
treadle_rt_prepared prepare(std::shared_ptr<Bundle> bundle, const treadle_rt_arg *args, int n);

// Checks base addresses, one for each tensor.
void checkPointers(const treadle_rt_prepared &prepared, void *const *pointers, int n);
void rebind(treadle_rt_prepared &prepared, void *const *pointers, int n);

// Launches on a stream, with other base addresses (checked ones) unless pointers is null.
void launch(const treadle_rt_prepared &prepared, void *const *pointers, void *stream);

// Loads the bundle on a device.
void preload(Bundle &bundle, int device);

} // namespace treadle::rt
