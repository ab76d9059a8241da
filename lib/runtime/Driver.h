// The NVIDIA driver, opened at first use, and its devices.
#pragma once

#include "Error.h"

#include <cstddef>
#include <cstdint>
#include <string>

namespace treadle::rt {

using CUresult = int;
using CUdevice = int;
using CUdeviceptr = unsigned long long;
using CUcontext = struct CUctx_st *;
using CUmodule = struct CUmod_st *;
using CUfunction = struct CUfunc_st *;
using CUstream = struct CUstream_st *;
using CUevent = struct CUevent_st *;

// Member, symbol, parameters.
#define TREADLE_CUDA_CALLS(X)                                                                                          \
  X(cuInit, cuInit, (unsigned))                                                                                        \
  X(cuGetErrorName, cuGetErrorName, (CUresult, const char **))                                                         \
  X(cuGetErrorString, cuGetErrorString, (CUresult, const char **))                                                     \
  X(cuDeviceGetCount, cuDeviceGetCount, (int *))                                                                       \
  X(cuDeviceGet, cuDeviceGet, (CUdevice *, int))                                                                       \
  X(cuDeviceGetName, cuDeviceGetName, (char *, int, CUdevice))                                                         \
  X(cuDeviceGetAttribute, cuDeviceGetAttribute, (int *, int, CUdevice))                                                \
  X(cuDevicePrimaryCtxRetain, cuDevicePrimaryCtxRetain, (CUcontext *, CUdevice))                                       \
  X(cuCtxGetCurrent, cuCtxGetCurrent, (CUcontext *))                                                                   \
  X(cuCtxPushCurrent, cuCtxPushCurrent_v2, (CUcontext))                                                                \
  X(cuCtxPopCurrent, cuCtxPopCurrent_v2, (CUcontext *))                                                                \
  X(cuCtxSynchronize, cuCtxSynchronize, ())                                                                            \
  X(cuModuleLoadDataEx, cuModuleLoadDataEx, (CUmodule *, const void *, unsigned, int *, void **))                      \
  X(cuModuleUnload, cuModuleUnload, (CUmodule))                                                                        \
  X(cuModuleGetFunction, cuModuleGetFunction, (CUfunction *, CUmodule, const char *))                                  \
  X(cuFuncGetAttribute, cuFuncGetAttribute, (int *, int, CUfunction))                                                  \
  X(cuFuncSetAttribute, cuFuncSetAttribute, (CUfunction, int, int))                                                    \
  X(cuLaunchKernel, cuLaunchKernel,                                                                                    \
    (CUfunction, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, CUstream, void **, void **))    \
  X(cuMemAlloc, cuMemAlloc_v2, (CUdeviceptr *, size_t))                                                                \
  X(cuMemFree, cuMemFree_v2, (CUdeviceptr))                                                                            \
  X(cuMemcpyHtoD, cuMemcpyHtoD_v2, (CUdeviceptr, const void *, size_t))                                                \
  X(cuMemcpyDtoH, cuMemcpyDtoH_v2, (void *, CUdeviceptr, size_t))                                                      \
  X(cuMemcpyDtoD, cuMemcpyDtoD_v2, (CUdeviceptr, CUdeviceptr, size_t))                                                 \
  X(cuMemsetD8, cuMemsetD8_v2, (CUdeviceptr, unsigned char, size_t))                                                   \
  X(cuPointerGetAttribute, cuPointerGetAttribute, (void *, int, CUdeviceptr))                                          \
  X(cuEventCreate, cuEventCreate, (CUevent *, unsigned))                                                               \
  X(cuEventRecord, cuEventRecord, (CUevent, CUstream))                                                                 \
  X(cuEventSynchronize, cuEventSynchronize, (CUevent))                                                                 \
  X(cuEventElapsedTime, cuEventElapsedTime, (float *, CUevent, CUevent))                                               \
  X(cuEventDestroy, cuEventDestroy_v2, (CUevent))

struct Device {
  int ordinal;
  CUdevice handle;
  CUcontext context; // the primary context, retained for the life of the process
  int major, minor;  // compute capability
  int sharedLimit;   // bytes of shared memory a block may opt into
  std::string name;
};

class Driver {
public:
  static constexpr int maxDevices = 64;

  // The driver; an Error if it cannot be opened or initialised. A later call tries again.
  static const Driver &get();

  // A device, its primary context retained at first use.
  const Device &device(int ordinal) const;
  int deviceCount() const;

#define TREADLE_CUDA_MEMBER(member, symbol, parameters) CUresult(*member) parameters = nullptr;
  TREADLE_CUDA_CALLS(TREADLE_CUDA_MEMBER)
#undef TREADLE_CUDA_MEMBER

  // Throws "CALL: CUDA_ERROR_NAME: text" unless the call succeeded.
  void check(CUresult result, const char *call) const {
    if (result != 0)
      failCall(result, call);
  }
  [[noreturn]] void failCall(CUresult result, const char *call, std::string_view detail = "") const;

private:
  void open();
  Device makeDevice(int ordinal) const;
};

// CALL of the driver with arguments, checked.
#define TREADLE_CUDA(driver, call, ...) (driver).check((driver).call(__VA_ARGS__), #call)

// Makes a device's primary context current on this thread for a scope.
class ContextScope {
public:
  ContextScope(const Driver &driver, const Device &device);
  ~ContextScope();
  ContextScope(const ContextScope &) = delete;
  ContextScope &operator=(const ContextScope &) = delete;

private:
  const Driver &driver;
  bool pushed = false;
};

} // namespace treadle::rt
