// Global memory: where the host's arrays lie in the simulator's addresses.
#include "Machine.h"

#include <algorithm>

namespace treadle::sim {

namespace {

// A region takes a slice of the address space, and begins in its middle: it may grow both ways.
constexpr int sliceShift = 40;
constexpr uint64_t sliceMiddle = uint64_t(1) << (sliceShift - 1);
constexpr uint64_t firstVariableSlice = 0x8000;
constexpr uint64_t lastSlice = 0xFFFF;
constexpr uint64_t keptBits = 0xF;

} // namespace

uint64_t moduleVariableAddress(size_t index) {
  uint64_t slice = firstVariableSlice + index;
  if (slice > lastSlice)
    throw Error("expected at most " + std::to_string(lastSlice - firstVariableSlice + 1) + " variables in a module");
  return slice << sliceShift;
}

struct GlobalMemory::State {
  std::vector<std::unique_ptr<Region>> regions;          // by slice, less 1
  std::map<uint64_t, std::unique_ptr<Region>> variables; // by slice
  const ptx::Module *module = nullptr;
  bool launched = false;
};

GlobalMemory::GlobalMemory() : state(std::make_unique<State>()) {}
GlobalMemory::~GlobalMemory() = default;

GlobalMemory::Region *GlobalMemory::find(uint64_t address) const {
  uint64_t slice = address >> sliceShift;
  if (slice == 0 || slice > lastSlice)
    return nullptr;
  if (slice <= state->regions.size())
    return state->regions[slice - 1].get();
  auto found = state->variables.find(slice);
  return found == state->variables.end() ? nullptr : found->second.get();
}

namespace {

// Marks every run of elements that lie side by side.
void mark(const GlobalMemory::View &view, const std::byte *begin, GlobalShadow &shadow) {
  // Axes from the smallest stride up; the first ones, as far as they are dense, make up a run.
  std::vector<size_t> axes;
  for (size_t axis = 0; axis < view.shape.size(); ++axis)
    if (view.shape[axis] > 1)
      axes.push_back(axis);
  auto step = [&](size_t axis) { return std::abs(view.strides[axis]); };
  std::sort(axes.begin(), axes.end(), [&](size_t a, size_t b) { return step(a) < step(b); });
  int64_t run = 1, corner = 0;
  size_t inner = 0;
  for (; inner < axes.size() && step(axes[inner]) <= run; ++inner) {
    int64_t reach = (view.shape[axes[inner]] - 1) * view.strides[axes[inner]];
    corner += std::min<int64_t>(reach, 0);
    run += std::abs(reach);
  }
  std::vector<int64_t> index(axes.size(), 0);
  while (true) {
    int64_t offset = corner;
    for (size_t i = inner; i < axes.size(); ++i)
      offset += index[i] * view.strides[axes[i]];
    shadow.markInside(static_cast<uint64_t>(view.data + offset * view.elementBytes - begin),
                      static_cast<uint64_t>(run * view.elementBytes), view.initialised);
    size_t axis = inner;
    while (axis < axes.size() && ++index[axis] == view.shape[axes[axis]])
      index[axis++] = 0;
    if (axis == axes.size())
      return;
  }
}

} // namespace

uint64_t GlobalMemory::map(void *data, unsigned elementBytes, int rank, const int64_t *shape, const int64_t *strides,
                           std::string name, bool initialised) {
  View view{
      static_cast<std::byte *>(data), elementBytes, {shape, shape + rank}, {strides, strides + rank}, initialised};
  // The bytes that the array spans.
  int64_t before = 0, after = elementBytes;
  for (int axis = 0; axis < rank; ++axis) {
    int64_t reach = (shape[axis] - 1) * strides[axis] * static_cast<int64_t>(elementBytes);
    (reach < 0 ? before : after) += reach;
  }
  bool isEmpty = std::any_of(shape, shape + rank, [](int64_t size) { return size <= 0; });
  if (isEmpty)
    before = after = 0;
  std::byte *begin = view.data + before, *end = view.data + after;

  Region *region = nullptr;
  for (auto &candidate : state->regions) {
    if (isEmpty || end <= candidate->host || begin >= candidate->host + candidate->bytes)
      continue;
    if (region)
      throw Error(name + ": expected an array that overlaps one other, found one that overlaps " + region->name +
                  " and " + candidate->name);
    region = candidate.get();
  }
  if (!region) {
    if (state->regions.size() + 1 >= firstVariableSlice)
      throw Error(name + ": expected at most " + std::to_string(firstVariableSlice - 1) + " arrays");
    auto made = std::make_unique<Region>();
    made->name = std::move(name);
    made->host = begin;
    made->base =
        ((state->regions.size() + 1) << sliceShift) + sliceMiddle + (reinterpret_cast<uintptr_t>(begin) & keptBits);
    made->bytes = static_cast<uint64_t>(end - begin);
    made->shadow = std::make_unique<GlobalShadow>(made->bytes);
    state->regions.push_back(std::move(made));
    region = state->regions.back().get();
  } else if (begin < region->host || end > region->host + region->bytes) {
    if (state->launched)
      throw Error(name + ": expected arrays that overlap before the first launch, found one that goes beyond " +
                  region->name + " after it");
    std::byte *from = std::min(begin, region->host), *to = std::max(end, region->host + region->bytes);
    region->base -= static_cast<uint64_t>(region->host - from);
    region->host = from;
    region->bytes = static_cast<uint64_t>(to - from);
    region->shadow = std::make_unique<GlobalShadow>(region->bytes);
    for (const View &known : region->views)
      mark(known, region->host, *region->shadow);
  }
  if (!isEmpty) {
    mark(view, region->host, *region->shadow);
    region->views.push_back(view);
  }
  return region->base + static_cast<uint64_t>(view.data - region->host);
}

void GlobalMemory::mapVariables(const ptx::Module &module) {
  if (state->module == &module)
    return;
  state->module = &module;
  state->variables.clear();
  for (size_t i = 0; i < module.variables.size(); ++i) {
    const ptx::Variable &variable = module.variables[i];
    if (variable.space != ptx::Space::Global)
      continue;
    auto region = std::make_unique<Region>();
    region->name = variable.name;
    region->base = moduleVariableAddress(i);
    region->bytes = variable.bytes;
    region->own.resize(variable.bytes); // zeros, where there is no initialiser
    std::transform(variable.initial.begin(), variable.initial.end(), region->own.begin(),
                   [](uint8_t byte) { return std::byte(byte); });
    region->host = region->own.data();
    region->shadow = std::make_unique<GlobalShadow>(region->bytes);
    region->shadow->markInside(0, region->bytes, true);
    state->variables[region->base >> sliceShift] = std::move(region);
  }
}

void GlobalMemory::beginLaunch() {
  state->launched = true;
  for (auto &region : state->regions)
    region->shadow->beginLaunch();
  for (auto &variable : state->variables)
    variable.second->shadow->beginLaunch();
}

} // namespace treadle::sim
