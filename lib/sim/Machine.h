// Launches: global memory, and an entry run over a grid.
#pragma once

#include "Report.h"
#include "Shadow.h"

#include <mutex>

namespace treadle::sim {

// Generic addresses: the space in the upper byte, 0 for global memory.
constexpr int spaceShift = 56;
constexpr uint64_t sharedWindow = uint64_t(1) << spaceShift;
constexpr uint64_t localWindow = uint64_t(2) << spaceShift;
constexpr uint64_t constWindow = uint64_t(3) << spaceShift;
constexpr uint64_t paramWindow = uint64_t(4) << spaceShift;

// Global memory: regions of the host's memory at addresses of the simulator's own, so far apart that no access outside
// one falls into another. An address keeps the host address's lowest 4 bits, by which vectors must be aligned.
class GlobalMemory {
public:
  GlobalMemory();
  ~GlobalMemory();
  GlobalMemory(const GlobalMemory &) = delete;
  GlobalMemory &operator=(const GlobalMemory &) = delete;

  // Makes a strided array accessible, its elements alone: shape and strides (in elements) of `rank` axes from `data`.
  // What overlaps in the host's memory overlaps here. Gives the address of `data`; an array without elements has one
  // too. Throws an Error if the array overlaps two regions that were apart, or widens one after a launch.
  uint64_t map(void *data, unsigned elementBytes, int rank, const int64_t *shape, const int64_t *strides,
               std::string name, bool initialised);

  struct View;
  struct Region;
  // The region that an address belongs to, or null.
  Region *find(uint64_t address) const;

  // The module's own variables, at moduleVariableAddress(index), which keep what launches leave in them.
  void mapVariables(const ptx::Module &module);
  void beginLaunch();

private:
  struct State;
  std::unique_ptr<State> state;
};

// Where the module's variable of that index lies, if it is a global one.
uint64_t moduleVariableAddress(size_t index);

// A strided array in a region.
struct GlobalMemory::View {
  std::byte *data;
  int64_t elementBytes;
  std::vector<int64_t> shape, strides;
  bool initialised;
};

struct GlobalMemory::Region {
  std::string name;
  uint64_t base = 0; // address of the first byte
  uint64_t bytes = 0;
  std::byte *host = nullptr;
  std::unique_ptr<GlobalShadow> shadow;
  std::vector<View> views;
  std::vector<std::byte> own; // of a module's variable
};

struct Options {
  bool bounds = true; // accesses out of bounds are always dropped; this reports them
  bool uninitialised = true;
  bool races = true;
  bool counts = true;
  int threads = 0; // of the host; 0: all cores
  int maxFindings = 20;
  uint64_t maxInstructions = uint64_t(1) << 28; // of one block's warps
  uint32_t sharedLimit = 0;                     // bytes a block may have; 0: what the module's target has
};

// Runs an entry. params: a pointer to each parameter's value, as cuLaunchKernel takes them, with addresses of `memory`.
// Throws an Error for a launch that cannot be made: a block that differs from .reqntid, too much shared memory, a wrong
// number of parameters.
Report launch(const ptx::Module &module, const std::shared_ptr<const Program> &program, GlobalMemory &memory, Dim3 grid,
              Dim3 block, uint32_t dynamicShared, const void *const *params, size_t paramCount, const Options &options);

} // namespace treadle::sim
