// Checking arguments against the manifest, and marshalling them into kernel parameters.
#include "Prepared.h"

#include <cstdio>

namespace treadle::rt {

namespace {

std::string hexAddress(uint64_t address) {
  char text[32];
  std::snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(address));
  return text;
}

std::string deviceName(int device) { return device < 0 ? "the CPU" : cat("cuda:", device); }

// The device of a tensor, -1 for the CPU; nothing for one that is neither CPU nor CUDA.
std::optional<int> deviceOf(const treadle_rt_tensor &tensor) {
  switch (tensor.device_type) {
  case TREADLE_RT_CPU:
  case TREADLE_RT_CUDA_HOST:
    return -1;
  case TREADLE_RT_CUDA:
  case TREADLE_RT_CUDA_MANAGED:
    return tensor.device_id;
  default:
    return std::nullopt;
  }
}

void checkPointer(const Manifest &manifest, const TensorBase &base, uint64_t address) {
  if (base.isEmpty)
    return;
  const Param &param = *base.param;
  if (address == 0)
    fail(TREADLE_RT_ERROR_ARGUMENT, manifest.name, ": argument '", param.name,
         "': expected an address, found null with elements to access");
  if (address % param.align != 0)
    fail(TREADLE_RT_ERROR_ARGUMENT, manifest.name, ": argument '", param.name, "': expected a base address aligned to ",
         param.align, " bytes, found ", hexAddress(address));
}

// Goes through the arguments once, then evaluates the launches.
class Marshaller {
public:
  Marshaller(std::shared_ptr<Bundle> bundle, const treadle_rt_arg *args)
      : manifest(bundle->manifest), args(args), sizes(manifest.dims.size(), dynamic), boundBy(manifest.dims.size()),
        bases(manifest.params.size()), scalars(manifest.params.size()), strides(manifest.params.size()) {
    prepared.bundle = std::move(bundle);
    prepared.tensors.reserve(manifest.tensorCount);
  }

  treadle_rt_prepared run();

private:
  template <typename... Parts> [[noreturn]] void failArg(const Param &param, const Parts &...parts) const {
    fail(TREADLE_RT_ERROR_ARGUMENT, manifest.name, ": argument '", param.name, "': ", parts...);
  }
  void readTensor(int index);
  void readScalar(int index);
  void checkDevice(const Param &param, const treadle_rt_tensor &tensor);
  void checkShape(const Param &param, const treadle_rt_tensor &tensor);
  void checkStrides(int index, const treadle_rt_tensor &tensor, bool isEmpty);
  PreparedLaunch makeLaunch(const LaunchSpec &spec) const;
  void evaluateGrid(const LaunchSpec &spec, PreparedLaunch &launch) const;
  uint64_t slotValue(const Slot &slot) const;

  const Manifest &manifest;
  const treadle_rt_arg *args;
  treadle_rt_prepared prepared;
  const Param *deviceParam = nullptr; // the tensor that set the device

  std::vector<int64_t> sizes; // of each named dimension
  struct Binding {
    const Param *param;
    int axis;
  };
  std::vector<Binding> boundBy;

  // Of each parameter.
  std::vector<uint64_t> bases, scalars;
  std::vector<std::vector<int64_t>> strides;
};

void Marshaller::checkDevice(const Param &param, const treadle_rt_tensor &tensor) {
  auto device = deviceOf(tensor);
  if (!device)
    failArg(param, "expected a tensor on the CPU or a CUDA device, found DLPack device type ", tensor.device_type);
  if (!deviceParam) {
    deviceParam = &param;
    prepared.device = *device;
  } else if (*device != prepared.device) {
    failArg(param, "expected a tensor on ", deviceName(prepared.device), ", as argument '", deviceParam->name,
            "', found one on ", deviceName(*device));
  }
}

void Marshaller::checkShape(const Param &param, const treadle_rt_tensor &tensor) {
  int rank = static_cast<int>(param.shape.size());
  if (tensor.ndim != rank)
    failArg(param, "expected rank ", rank, ", found ", tensor.ndim);
  if (rank > 0 && !tensor.shape)
    failArg(param, "expected a shape, found null");
  for (int axis = 0; axis < rank; ++axis) {
    int64_t size = tensor.shape[axis];
    if (size < 0)
      failArg(param, "expected sizes of at least 0, found ", size, " on axis ", axis);
    if (param.shape[axis] != dynamic) {
      if (size != param.shape[axis])
        failArg(param, "expected size ", param.shape[axis], " on axis ", axis, ", found ", size);
      continue;
    }
    int dim = param.dims[axis];
    if (sizes[dim] == dynamic) {
      sizes[dim] = size;
      boundBy[dim] = {&param, axis};
    } else if (sizes[dim] != size) {
      failArg(param, "expected size ", sizes[dim], " on axis ", axis, " (dimension '", manifest.dims[dim],
              "', as axis ", boundBy[dim].axis, " of argument '", boundBy[dim].param->name, "'), found ", size);
    }
  }
}

void Marshaller::checkStrides(int index, const treadle_rt_tensor &tensor, bool isEmpty) {
  const Param &param = manifest.params[index];
  int rank = static_cast<int>(param.shape.size());
  int64_t alignElements = std::max<int64_t>(1, param.align / dtypeBytes(param.dtype));
  std::vector<int64_t> &actual = strides[index];
  actual.resize(rank);

  uint64_t contiguous = 1;
  for (int axis = rank - 1; axis >= 0; --axis) {
    int64_t size = tensor.shape[axis];
    actual[axis] = tensor.strides ? tensor.strides[axis] : static_cast<int64_t>(contiguous);
    contiguous *= static_cast<uint64_t>(size);

    int64_t expected = param.strides[axis];
    if (size == 1 || isEmpty) {
      // The axis's only index is 0, so any stride will do; the kernel is given one that keeps the promises.
      if (expected != dynamic)
        actual[axis] = expected;
      else if (actual[axis] % alignElements != 0)
        actual[axis] = 0;
      continue;
    }
    if (expected != dynamic && actual[axis] != expected)
      failArg(param, "expected stride ", expected, " on axis ", axis, ", found ", actual[axis]);
    if (expected == dynamic && actual[axis] % alignElements != 0)
      failArg(param, "expected a stride that is a multiple of ", alignElements, " (", param.align, " bytes) on axis ",
              axis, ", found ", actual[axis]);
    if (actual[axis] == 0 && expected != 0 && (param.access & TREADLE_RT_WRITE))
      failArg(param, "expected elements of their own to write, found stride 0 on axis ", axis);
  }
  if (param.maxBytes && !isEmpty) {
    __int128 span = dtypeBytes(param.dtype);
    for (int axis = 0; axis < rank; ++axis)
      span += static_cast<__int128>(tensor.shape[axis] - 1) * std::abs(actual[axis]) * dtypeBytes(param.dtype);
    if (span > param.maxBytes)
      failArg(param, "expected a tensor that spans at most ", param.maxBytes, " bytes (max_bytes), found ",
              static_cast<int64_t>(std::min<__int128>(span, INT64_MAX)));
  }
}

void Marshaller::readTensor(int index) {
  const Param &param = manifest.params[index];
  const treadle_rt_arg &arg = args[index];
  if (arg.kind != TREADLE_RT_ARG_TENSOR)
    failArg(param, "expected a tensor, found a scalar");
  if (!arg.value.tensor)
    failArg(param, "expected a tensor, found null");
  const auto &tensor = *static_cast<const treadle_rt_tensor *>(arg.value.tensor);

  if (!dtypeMatches(param.dtype, tensor))
    failArg(param, "expected dtype ", dtypeName(param.dtype), ", found ", dlpackTypeName(tensor));
  checkDevice(param, tensor);
  checkShape(param, tensor);
  bool isEmpty = false;
  for (int axis = 0; axis < tensor.ndim; ++axis)
    isEmpty |= tensor.shape[axis] == 0;
  checkStrides(index, tensor, isEmpty);

  uint64_t address = reinterpret_cast<uint64_t>(tensor.data);
  if (address != 0)
    address += tensor.byte_offset;
  prepared.tensors.push_back({&param, isEmpty});
  checkPointer(manifest, prepared.tensors.back(), address);
  bases[index] = address;
}

void Marshaller::readScalar(int index) {
  const Param &param = manifest.params[index];
  treadle_rt_arg arg = args[index];
  if (arg.kind == TREADLE_RT_ARG_DEFAULT) {
    if (!param.defaultValue)
      failArg(param, "expected a value, found none and no default");
    arg = *param.defaultValue;
  }
  try {
    scalars[index] = encodeScalar(param.dtype, arg);
  } catch (const Error &error) {
    throw Error{error.status, cat(manifest.name, ": argument '", param.name, "': ", error.message)};
  }
}

uint64_t Marshaller::slotValue(const Slot &slot) const {
  switch (slot.kind) {
  case Slot::Pointer:
    return bases[slot.index];
  case Slot::Dim:
    return static_cast<uint64_t>(sizes[slot.index]);
  case Slot::Stride:
    return static_cast<uint64_t>(strides[slot.index][slot.axis]);
  case Slot::Scalar:
    return scalars[slot.index];
  }
  return 0;
}

void Marshaller::evaluateGrid(const LaunchSpec &spec, PreparedLaunch &launch) const {
  static constexpr int64_t limits[3] = {INT32_MAX, 65535, 65535};
  auto failGrid = [&](int axis, const auto &...parts) {
    fail(TREADLE_RT_ERROR_ARGUMENT, manifest.name, ": grid of entry '", spec.entry, "', axis ", axis, ": ", parts...);
  };
  for (int axis = 0; axis < 3; ++axis) {
    try {
      launch.grid[axis] = spec.grid[axis].evaluate(sizes);
    } catch (const Error &error) {
      failGrid(axis, error.message);
    }
    if (launch.grid[axis] < 0)
      failGrid(axis, "expected at least 0 blocks, found ", launch.grid[axis]);
  }
  if (prepared.device < 0 || launch.isEmpty())
    return;
  for (int axis = 0; axis < 3; ++axis)
    if (launch.grid[axis] > limits[axis])
      failGrid(axis, "expected at most ", limits[axis], " blocks, found ", launch.grid[axis]);
}

PreparedLaunch Marshaller::makeLaunch(const LaunchSpec &spec) const {
  PreparedLaunch launch;
  launch.spec = &spec;
  evaluateGrid(spec, launch);
  size_t count = spec.slots.size();
  launch.values.resize(count);
  launch.params.resize(count);
  for (size_t i = 0; i < count; ++i) {
    const Slot &slot = spec.slots[i];
    launch.values[i] = slotValue(slot);
    launch.params[i] = &launch.values[i];
    if (slot.kind == Slot::Pointer)
      launch.pointers.push_back({static_cast<int>(i), manifest.params[slot.index].tensorIndex});
  }
  return launch;
}

treadle_rt_prepared Marshaller::run() {
  for (size_t i = 0; i < manifest.params.size(); ++i)
    manifest.params[i].isTensor ? readTensor(static_cast<int>(i)) : readScalar(static_cast<int>(i));
  if (manifest.tensorCount == 0)
    prepared.device = 0;
  prepared.launches.reserve(manifest.launches.size());
  for (const LaunchSpec &spec : manifest.launches)
    prepared.launches.push_back(makeLaunch(spec));
  return std::move(prepared);
}

} // namespace

treadle_rt_prepared prepare(std::shared_ptr<Bundle> bundle, const treadle_rt_arg *args, int n) {
  const Manifest &manifest = bundle->manifest;
  if (n != static_cast<int>(manifest.params.size()))
    fail(TREADLE_RT_ERROR_ARGUMENT, manifest.name, ": expected ", manifest.params.size(), " arguments, found ", n);
  if (n > 0 && !args)
    fail(TREADLE_RT_ERROR_USAGE, manifest.name, ": expected an array of arguments, found null");
  return Marshaller(std::move(bundle), args).run();
}

void checkPointers(const treadle_rt_prepared &prepared, void *const *pointers, int n) {
  const Manifest &manifest = prepared.bundle->manifest;
  if (n != manifest.tensorCount)
    fail(TREADLE_RT_ERROR_ARGUMENT, manifest.name, ": expected ", manifest.tensorCount, " addresses of tensors, found ",
         n);
  if (n > 0 && !pointers)
    fail(TREADLE_RT_ERROR_USAGE, manifest.name, ": expected an array of addresses, found null");
  for (int i = 0; i < n; ++i)
    checkPointer(manifest, prepared.tensors[i], reinterpret_cast<uint64_t>(pointers[i]));
}

void rebind(treadle_rt_prepared &prepared, void *const *pointers, int n) {
  checkPointers(prepared, pointers, n);
  for (PreparedLaunch &launch : prepared.launches)
    for (const auto &[slot, tensor] : launch.pointers)
      launch.values[slot] = reinterpret_cast<uint64_t>(pointers[tensor]);
}

} // namespace treadle::rt
