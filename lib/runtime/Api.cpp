// The C ABI: every function checks its handles, and no exception leaves it.
#include "Prepared.h"

#include <cstring>
#include <exception>
#include <new>

using namespace treadle::rt;

struct treadle_rt_event {
  const Device *device;
  CUevent event;
};

namespace {

thread_local std::string lastError;

int record(int status, std::string_view message) noexcept {
  try {
    lastError = message;
  } catch (...) {
    lastError.clear();
  }
  return status;
}

// Runs f; an exception becomes a status and the thread's last error.
template <typename F> int guarded(F f) noexcept {
  try {
    f();
    return TREADLE_RT_OK;
  } catch (const Error &error) {
    return record(error.status, error.message);
  } catch (const std::bad_alloc &) {
    return record(TREADLE_RT_ERROR_INTERNAL, "out of memory");
  } catch (const std::exception &error) {
    return record(TREADLE_RT_ERROR_INTERNAL, error.what());
  } catch (...) {
    return record(TREADLE_RT_ERROR_INTERNAL, "unknown error");
  }
}

void require(const void *pointer, const char *what) {
  if (!pointer)
    fail(TREADLE_RT_ERROR_USAGE, "expected ", what, ", found null");
}

const PreparedLaunch &launchAt(const treadle_rt_prepared *prepared, int index) {
  require(prepared, "a prepared launch");
  int count = static_cast<int>(prepared->launches.size());
  if (index < 0 || index >= count)
    fail(TREADLE_RT_ERROR_USAGE, prepared->bundle->manifest.name, ": expected a launch from 0 to ", count - 1,
         ", found ", index);
  return prepared->launches[index];
}

treadle_rt_bundle *makeHandle(std::shared_ptr<Bundle> bundle) {
  auto handle = std::make_unique<treadle_rt_bundle>();
  for (const Param &param : bundle->manifest.params) {
    auto &names = handle->dimNames.emplace_back();
    for (int dim : param.dims)
      names.push_back(dim < 0 ? nullptr : bundle->manifest.dims[dim].c_str());
  }
  handle->bundle = std::move(bundle);
  return handle.release();
}

// Runs f(driver) with a device's context current.
template <typename F> int onDevice(int ordinal, F f) noexcept {
  return guarded([&] {
    const Driver &driver = Driver::get();
    ContextScope scope(driver, driver.device(ordinal));
    f(driver);
  });
}

CUdeviceptr address(const void *pointer) { return reinterpret_cast<CUdeviceptr>(pointer); }

} // namespace

extern "C" {

const char *treadle_rt_last_error(void) { return lastError.c_str(); }

const char *treadle_rt_version(void) { return "0.1.0"; }

// ---- Bundles ----

int treadle_rt_open(const char *path, treadle_rt_bundle **bundle) {
  return guarded([&] {
    require(path, "the path of a manifest");
    require(bundle, "a place for the bundle");
    *bundle = makeHandle(Bundle::openFile(path));
  });
}

int treadle_rt_open_memory(const char *manifest, size_t manifest_len, const void *image, size_t image_len,
                           treadle_rt_bundle **bundle) {
  return guarded([&] {
    require(manifest, "a manifest");
    require(bundle, "a place for the bundle");
    auto opened = Bundle::openMemory({manifest, manifest_len});
    if (image)
      opened->addImage({static_cast<const char *>(image), image_len});
    *bundle = makeHandle(std::move(opened));
  });
}

int treadle_rt_add_image(treadle_rt_bundle *bundle, const void *image, size_t image_len) {
  return guarded([&] {
    require(bundle, "a bundle");
    require(image, "an image");
    bundle->bundle->addImage({static_cast<const char *>(image), image_len});
  });
}

void treadle_rt_close(treadle_rt_bundle *bundle) { delete bundle; }

int treadle_rt_load(treadle_rt_bundle *bundle, int device) {
  return guarded([&] {
    require(bundle, "a bundle");
    preload(*bundle->bundle, device);
  });
}

int treadle_rt_unload(treadle_rt_bundle *bundle) {
  return guarded([&] {
    require(bundle, "a bundle");
    bundle->bundle->unload();
  });
}

const char *treadle_rt_name(const treadle_rt_bundle *bundle) {
  return bundle ? bundle->bundle->manifest.name.c_str() : "";
}

const char *treadle_rt_arch(const treadle_rt_bundle *bundle) {
  return bundle ? bundle->bundle->manifest.arch.c_str() : "";
}

int treadle_rt_param_count(const treadle_rt_bundle *bundle) {
  return bundle ? static_cast<int>(bundle->bundle->manifest.params.size()) : 0;
}

int treadle_rt_param_info(const treadle_rt_bundle *bundle, int index, treadle_rt_param *param) {
  return guarded([&] {
    require(bundle, "a bundle");
    require(param, "a place for the parameter");
    const Manifest &manifest = bundle->bundle->manifest;
    int count = static_cast<int>(manifest.params.size());
    if (index < 0 || index >= count)
      fail(TREADLE_RT_ERROR_USAGE, manifest.name, ": expected a parameter from 0 to ", count - 1, ", found ", index);
    const Param &source = manifest.params[index];
    *param = {};
    param->name = source.name.c_str();
    param->dtype = dtypeName(source.dtype);
    param->element_bytes = dtypeBytes(source.dtype);
    param->has_default = source.defaultValue.has_value();
    param->default_value = source.defaultValue.value_or(treadle_rt_arg_default());
    if (!source.isTensor)
      return;
    param->is_tensor = 1;
    param->rank = static_cast<int32_t>(source.shape.size());
    param->access = source.access;
    param->shape = source.shape.data();
    param->dims = bundle->dimNames[index].data();
    param->strides = source.strides.data();
    param->align = source.align;
  });
}

// ---- Prepared launches ----

int treadle_rt_prepare(treadle_rt_bundle *bundle, const treadle_rt_arg *args, int n, treadle_rt_prepared **prepared) {
  return guarded([&] {
    require(bundle, "a bundle");
    require(prepared, "a place for the prepared launch");
    *prepared = new treadle_rt_prepared(prepare(bundle->bundle, args, n));
  });
}

void treadle_rt_release(treadle_rt_prepared *prepared) { delete prepared; }

int treadle_rt_launch(const treadle_rt_prepared *prepared, void *stream) {
  return guarded([&] {
    require(prepared, "a prepared launch");
    launch(*prepared, nullptr, stream);
  });
}

int treadle_rt_launch_pointers(const treadle_rt_prepared *prepared, void *const *tensor_ptrs, int n, void *stream) {
  return guarded([&] {
    require(prepared, "a prepared launch");
    checkPointers(*prepared, tensor_ptrs, n);
    launch(*prepared, tensor_ptrs, stream);
  });
}

int treadle_rt_run(treadle_rt_bundle *bundle, const treadle_rt_arg *args, int n, void *stream) {
  return guarded([&] {
    require(bundle, "a bundle");
    launch(prepare(bundle->bundle, args, n), nullptr, stream);
  });
}

int treadle_rt_rebind(treadle_rt_prepared *prepared, void *const *tensor_ptrs, int n) {
  return guarded([&] {
    require(prepared, "a prepared launch");
    rebind(*prepared, tensor_ptrs, n);
  });
}

int treadle_rt_launch_count(const treadle_rt_prepared *prepared) {
  return prepared ? static_cast<int>(prepared->launches.size()) : 0;
}

int treadle_rt_launch_device(const treadle_rt_prepared *prepared, int *device) {
  return guarded([&] {
    require(prepared, "a prepared launch");
    require(device, "a place for the device");
    *device = prepared->device;
  });
}

int treadle_rt_launch_entry(const treadle_rt_prepared *prepared, int launch, const char **entry) {
  return guarded([&] {
    require(entry, "a place for the entry");
    *entry = launchAt(prepared, launch).spec->entry.c_str();
  });
}

int treadle_rt_launch_grid(const treadle_rt_prepared *prepared, int launch, int64_t grid[3]) {
  return guarded([&] {
    require(grid, "a place for the grid");
    std::memcpy(grid, launchAt(prepared, launch).grid, 3 * sizeof(int64_t));
  });
}

int treadle_rt_launch_block(const treadle_rt_prepared *prepared, int launch, int64_t block[3]) {
  return guarded([&] {
    require(block, "a place for the block");
    for (int axis = 0; axis < 3; ++axis)
      block[axis] = launchAt(prepared, launch).spec->block[axis];
  });
}

int treadle_rt_launch_shared_bytes(const treadle_rt_prepared *prepared, int launch, int64_t *bytes) {
  return guarded([&] {
    require(bytes, "a place for the size");
    *bytes = launchAt(prepared, launch).spec->sharedBytes;
  });
}

int treadle_rt_launch_params(const treadle_rt_prepared *prepared, int launch, void ***params, int *n) {
  return guarded([&] {
    require(params, "a place for the parameters");
    require(n, "a place for their number");
    const PreparedLaunch &found = launchAt(prepared, launch);
    *params = const_cast<void **>(found.params.data());
    *n = static_cast<int>(found.params.size());
  });
}

int treadle_rt_launch_param_sizes(const treadle_rt_prepared *prepared, int launch, const uint8_t **sizes, int *n) {
  return guarded([&] {
    require(sizes, "a place for the sizes");
    require(n, "a place for their number");
    const auto &found = launchAt(prepared, launch).spec->slotBytes;
    *sizes = found.data();
    *n = static_cast<int>(found.size());
  });
}

// ---- Devices ----

int treadle_rt_device_count(int *count) {
  return guarded([&] {
    require(count, "a place for the count");
    *count = Driver::get().deviceCount();
  });
}

int treadle_rt_device_name(int device, char *name, size_t size) {
  return guarded([&] {
    require(name, "a place for the name");
    if (size == 0)
      fail(TREADLE_RT_ERROR_USAGE, "expected room for the name, found 0 bytes");
    const std::string &found = Driver::get().device(device).name;
    size_t length = std::min(found.size(), size - 1);
    std::memcpy(name, found.data(), length);
    name[length] = '\0';
  });
}

int treadle_rt_device_capability(int device, int *major, int *minor) {
  return guarded([&] {
    require(major, "a place for the major number");
    require(minor, "a place for the minor number");
    const Device &found = Driver::get().device(device);
    *major = found.major;
    *minor = found.minor;
  });
}

int treadle_rt_alloc(int device, size_t bytes, void **ptr) {
  return onDevice(device, [&](const Driver &driver) {
    require(ptr, "a place for the address");
    CUdeviceptr result = 0;
    TREADLE_CUDA(driver, cuMemAlloc, &result, std::max<size_t>(bytes, 1));
    *ptr = reinterpret_cast<void *>(result);
  });
}

int treadle_rt_free(int device, void *ptr) {
  return onDevice(device, [&](const Driver &driver) {
    if (ptr)
      TREADLE_CUDA(driver, cuMemFree, address(ptr));
  });
}

int treadle_rt_copy_to_device(int device, void *dst, const void *src, size_t bytes) {
  return onDevice(device, [&](const Driver &driver) { TREADLE_CUDA(driver, cuMemcpyHtoD, address(dst), src, bytes); });
}

int treadle_rt_copy_from_device(int device, void *dst, const void *src, size_t bytes) {
  return onDevice(device, [&](const Driver &driver) { TREADLE_CUDA(driver, cuMemcpyDtoH, dst, address(src), bytes); });
}

int treadle_rt_copy_on_device(int device, void *dst, const void *src, size_t bytes) {
  return onDevice(device,
                  [&](const Driver &driver) { TREADLE_CUDA(driver, cuMemcpyDtoD, address(dst), address(src), bytes); });
}

int treadle_rt_memset(int device, void *ptr, int byte, size_t bytes) {
  return onDevice(device, [&](const Driver &driver) {
    TREADLE_CUDA(driver, cuMemsetD8, address(ptr), static_cast<unsigned char>(byte), bytes);
  });
}

int treadle_rt_synchronize(int device) {
  return onDevice(device, [&](const Driver &driver) { TREADLE_CUDA(driver, cuCtxSynchronize); });
}

int treadle_rt_pointer_device(const void *ptr, int *device) {
  return guarded([&] {
    constexpr int attributeDeviceOrdinal = 9; // CUpointer_attribute
    require(device, "a place for the device");
    const Driver &driver = Driver::get();
    TREADLE_CUDA(driver, cuPointerGetAttribute, device, attributeDeviceOrdinal, address(ptr));
  });
}

int treadle_rt_event_create(int device, treadle_rt_event **event) {
  return onDevice(device, [&](const Driver &driver) {
    require(event, "a place for the event");
    auto created = std::make_unique<treadle_rt_event>();
    created->device = &driver.device(device);
    TREADLE_CUDA(driver, cuEventCreate, &created->event, 0);
    *event = created.release();
  });
}

int treadle_rt_event_record(treadle_rt_event *event, void *stream) {
  return guarded([&] {
    require(event, "an event");
    const Driver &driver = Driver::get();
    ContextScope scope(driver, *event->device);
    TREADLE_CUDA(driver, cuEventRecord, event->event, static_cast<CUstream>(stream));
  });
}

int treadle_rt_event_elapsed(treadle_rt_event *start, treadle_rt_event *end, float *milliseconds) {
  return guarded([&] {
    require(start, "a start event");
    require(end, "an end event");
    require(milliseconds, "a place for the time");
    const Driver &driver = Driver::get();
    ContextScope scope(driver, *end->device);
    TREADLE_CUDA(driver, cuEventSynchronize, end->event);
    TREADLE_CUDA(driver, cuEventElapsedTime, milliseconds, start->event, end->event);
  });
}

void treadle_rt_event_destroy(treadle_rt_event *event) {
  if (!event)
    return;
  guarded([&] {
    std::unique_ptr<treadle_rt_event> owned(event);
    const Driver &driver = Driver::get();
    ContextScope scope(driver, *event->device);
    TREADLE_CUDA(driver, cuEventDestroy, event->event);
  });
}

} // extern "C"
