/* treadle_rt.h - open a compiled Treadle bundle, check arguments against its manifest, launch it.
 *
 * Plain C. The library needs the bundle's manifest and its PTX or cubin, and for GPU work the NVIDIA driver, which it
 * opens by itself at the first call that needs it. lib/runtime/README.md describes the manifest.
 *
 *   treadle_rt_bundle *bundle;  treadle_rt_prepared *prepared;
 *   if (treadle_rt_open("out/scale.json", &bundle)) die(treadle_rt_last_error());
 *   treadle_rt_arg args[3] = {treadle_rt_arg_tensor(&x), treadle_rt_arg_tensor(&y), treadle_rt_arg_float(2.0)};
 *   if (treadle_rt_prepare(bundle, args, 3, &prepared)) die(treadle_rt_last_error());
 *   if (treadle_rt_launch(prepared, stream)) die(treadle_rt_last_error());
 *   treadle_rt_release(prepared);  treadle_rt_close(bundle);
 *
 * Errors. Functions that can fail return 0 or a TREADLE_RT_ERROR_* status; treadle_rt_last_error() then says what was
 * wrong. Out parameters are written on success only.
 *
 * Threads. Every function may be called from any thread. A bundle may be shared freely; a prepared launch may be
 * launched from several threads at once, as long as none calls treadle_rt_rebind on it meanwhile.
 *
 * Devices. GPU work runs in the device's primary context, the one the CUDA runtime and PyTorch use. The calling
 * thread's current context is left as it was. A stream is a CUstream/cudaStream_t of that context; NULL is the legacy
 * default stream.
 */
#ifndef TREADLE_RT_H
#define TREADLE_RT_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define TREADLE_RT_API __attribute__((visibility("default")))
#else
#define TREADLE_RT_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Errors ---- */

enum {
  TREADLE_RT_OK = 0,
  TREADLE_RT_ERROR_MANIFEST = 1, /* the bundle cannot be read or its manifest is malformed */
  TREADLE_RT_ERROR_ARGUMENT = 2, /* an argument of the kernel breaks what the manifest asks */
  TREADLE_RT_ERROR_DRIVER = 3,   /* the driver is missing, or one of its calls failed */
  TREADLE_RT_ERROR_USAGE = 4,    /* this library was called wrongly: a null handle, an index out of range */
  TREADLE_RT_ERROR_INTERNAL = 5  /* out of memory, or a bug here */
};

/* The message of the calling thread's last failed call; "" before any. Valid until its next failed call. */
TREADLE_RT_API const char *treadle_rt_last_error(void);

/* The library's version, "0.1.0". */
TREADLE_RT_API const char *treadle_rt_version(void);

/* ---- Tensors and arguments ---- */

/* DLPack's DLTensor (dlpack.h, ABI of versions 0.2 to 1.x) under names that cannot clash with it. A DLTensor * of
 * dlpack.h and a treadle_rt_tensor * are interchangeable here. */
enum { TREADLE_RT_CPU = 1, TREADLE_RT_CUDA = 2, TREADLE_RT_CUDA_HOST = 3, TREADLE_RT_CUDA_MANAGED = 13 };
enum { TREADLE_RT_INT = 0, TREADLE_RT_UINT = 1, TREADLE_RT_FLOAT = 2, TREADLE_RT_BFLOAT = 4, TREADLE_RT_BOOL = 6 };

typedef struct treadle_rt_tensor {
  void *data;
  int32_t device_type; /* TREADLE_RT_CPU, ... */
  int32_t device_id;
  int32_t ndim;
  uint8_t dtype_code; /* TREADLE_RT_INT, ... */
  uint8_t dtype_bits;
  uint16_t dtype_lanes; /* 1 */
  int64_t *shape;
  int64_t *strides; /* in elements; NULL: row-major and contiguous */
  uint64_t byte_offset;
} treadle_rt_tensor;

enum {
  TREADLE_RT_ARG_TENSOR = 0,
  TREADLE_RT_ARG_INT = 1,    /* for a scalar parameter of any type */
  TREADLE_RT_ARG_FLOAT = 2,  /* for a floating-point scalar parameter */
  TREADLE_RT_ARG_DEFAULT = 3 /* the manifest's default */
};

typedef struct treadle_rt_arg {
  int32_t kind;     /* TREADLE_RT_ARG_* */
  int32_t reserved; /* 0 */
  union {
    const void *tensor; /* a DLTensor * or treadle_rt_tensor *; read during the call only */
    int64_t i;
    double f;
  } value;
} treadle_rt_arg;

static inline treadle_rt_arg treadle_rt_arg_tensor(const void *tensor) {
  treadle_rt_arg arg;
  arg.kind = TREADLE_RT_ARG_TENSOR, arg.reserved = 0, arg.value.tensor = tensor;
  return arg;
}
static inline treadle_rt_arg treadle_rt_arg_int(int64_t value) {
  treadle_rt_arg arg;
  arg.kind = TREADLE_RT_ARG_INT, arg.reserved = 0, arg.value.i = value;
  return arg;
}
static inline treadle_rt_arg treadle_rt_arg_float(double value) {
  treadle_rt_arg arg;
  arg.kind = TREADLE_RT_ARG_FLOAT, arg.reserved = 0, arg.value.f = value;
  return arg;
}
static inline treadle_rt_arg treadle_rt_arg_default(void) {
  treadle_rt_arg arg;
  arg.kind = TREADLE_RT_ARG_DEFAULT, arg.reserved = 0, arg.value.i = 0;
  return arg;
}

/* ---- Bundles ---- */

typedef struct treadle_rt_bundle treadle_rt_bundle;

/* Open the bundle whose manifest is at this path, or is the one *.json in the folder at this path. The images it names
 * are read now, from the manifest's folder; one that is missing is an error only when a launch needs it. */
TREADLE_RT_API int treadle_rt_open(const char *path, treadle_rt_bundle **bundle);

/* Open a bundle held in memory. image is a cubin or PTX (told apart by content), or NULL: such a bundle can prepare
 * launches, for the CPU, but not launch them. Everything is copied. */
TREADLE_RT_API int treadle_rt_open_memory(const char *manifest, size_t manifest_len, const void *image,
                                          size_t image_len, treadle_rt_bundle **bundle);

/* Give a bundle another image: PTX beside a cubin, say. Before the bundle's first launch. */
TREADLE_RT_API int treadle_rt_add_image(treadle_rt_bundle *bundle, const void *image, size_t image_len);

/* Close a handle; NULL is allowed. Prepared launches stay valid. Modules loaded on devices stay loaded, because CUDA
 * graphs may hold their kernels: treadle_rt_unload unloads them. */
TREADLE_RT_API void treadle_rt_close(treadle_rt_bundle *bundle);

/* Load the bundle's module on a device now rather than at the first launch (inside a stream capture, say). */
TREADLE_RT_API int treadle_rt_load(treadle_rt_bundle *bundle, int device);

/* Wait for the devices that this bundle was loaded on, and unload its modules. No launch may be under way. */
TREADLE_RT_API int treadle_rt_unload(treadle_rt_bundle *bundle);

/* The manifest's "name" and "arch"; "" for a null bundle. */
TREADLE_RT_API const char *treadle_rt_name(const treadle_rt_bundle *bundle);
TREADLE_RT_API const char *treadle_rt_arch(const treadle_rt_bundle *bundle);

enum { TREADLE_RT_READ = 1, TREADLE_RT_WRITE = 2, TREADLE_RT_READ_WRITE = 3 };
#define TREADLE_RT_DYNAMIC INT64_MIN

/* One entry of the manifest's "params". The pointers live as long as the bundle. */
typedef struct treadle_rt_param {
  const char *name;
  const char *dtype; /* "f32", ... */
  int32_t is_tensor; /* 0: a scalar, and what follows up to align is 0 */
  int32_t rank;
  int32_t access;          /* TREADLE_RT_READ, ... */
  int32_t element_bytes;   /* also for scalars */
  const int64_t *shape;    /* TREADLE_RT_DYNAMIC for an axis with a name */
  const char *const *dims; /* the axes' names; NULL for a static axis */
  const int64_t *strides;  /* TREADLE_RT_DYNAMIC for one that the kernel takes */
  int64_t align;           /* bytes */
  int32_t has_default;     /* scalars */
  int32_t reserved;
  treadle_rt_arg default_value;
} treadle_rt_param;

TREADLE_RT_API int treadle_rt_param_count(const treadle_rt_bundle *bundle); /* 0 for a null bundle */
TREADLE_RT_API int treadle_rt_param_info(const treadle_rt_bundle *bundle, int index, treadle_rt_param *param);

/* ---- Prepared launches ---- */

typedef struct treadle_rt_prepared treadle_rt_prepared;

/* Check one argument for each of the manifest's "params", in that order, and compute everything the launches need:
 * grids, and the values of the kernels' parameters. The tensors are on the CPU or on one CUDA device. */
TREADLE_RT_API int treadle_rt_prepare(treadle_rt_bundle *bundle, const treadle_rt_arg *args, int n,
                                      treadle_rt_prepared **prepared);

/* Free a prepared launch; NULL is allowed. Launches already on a stream are unaffected. */
TREADLE_RT_API void treadle_rt_release(treadle_rt_prepared *prepared);

/* Put the launches on a stream of the tensors' device, one after the other. */
TREADLE_RT_API int treadle_rt_launch(const treadle_rt_prepared *prepared, void *stream);

/* The same with other base addresses: one for each tensor parameter, in order, for tensors that are otherwise like the
 * prepared ones, on the same device. Only alignment and non-nullness are checked. prepared itself does not change. */
TREADLE_RT_API int treadle_rt_launch_pointers(const treadle_rt_prepared *prepared, void *const *tensor_ptrs, int n,
                                              void *stream);

/* Check the arguments and launch, keeping nothing. */
TREADLE_RT_API int treadle_rt_run(treadle_rt_bundle *bundle, const treadle_rt_arg *args, int n, void *stream);

/* Write other base addresses into a prepared launch, checked as by treadle_rt_launch_pointers. */
TREADLE_RT_API int treadle_rt_rebind(treadle_rt_prepared *prepared, void *const *tensor_ptrs, int n);

/* What was prepared, for whoever runs it elsewhere (the CPU target). Launches are numbered in the manifest's order. */
TREADLE_RT_API int treadle_rt_launch_count(const treadle_rt_prepared *prepared);               /* 0 for NULL */
TREADLE_RT_API int treadle_rt_launch_device(const treadle_rt_prepared *prepared, int *device); /* -1: the CPU */
TREADLE_RT_API int treadle_rt_launch_entry(const treadle_rt_prepared *prepared, int launch, const char **entry);
TREADLE_RT_API int treadle_rt_launch_grid(const treadle_rt_prepared *prepared, int launch, int64_t grid[3]);
TREADLE_RT_API int treadle_rt_launch_block(const treadle_rt_prepared *prepared, int launch, int64_t block[3]);
TREADLE_RT_API int treadle_rt_launch_shared_bytes(const treadle_rt_prepared *prepared, int launch, int64_t *bytes);

/* params[j] points to the value of the entry's j-th parameter, as cuLaunchKernel takes them: pointers, dims and strides
 * 8 bytes, scalars of their own size; each is 8-byte aligned and followed by zeros up to 8 bytes. They live as long as
 * prepared. */
TREADLE_RT_API int treadle_rt_launch_params(const treadle_rt_prepared *prepared, int launch, void ***params, int *n);

/* The size in bytes of each of those values: n of them. */
TREADLE_RT_API int treadle_rt_launch_param_sizes(const treadle_rt_prepared *prepared, int launch, const uint8_t **sizes,
                                                 int *n);

/* ---- Devices: enough to run and time a bundle without the CUDA runtime or PyTorch ---- */

TREADLE_RT_API int treadle_rt_device_count(int *count); /* a missing driver or no device is an error, not 0 */
TREADLE_RT_API int treadle_rt_device_name(int device, char *name, size_t size);
TREADLE_RT_API int treadle_rt_device_capability(int device, int *major, int *minor);
TREADLE_RT_API int treadle_rt_alloc(int device, size_t bytes, void **ptr);
TREADLE_RT_API int treadle_rt_free(int device, void *ptr);
TREADLE_RT_API int treadle_rt_copy_to_device(int device, void *dst, const void *src, size_t bytes);
TREADLE_RT_API int treadle_rt_copy_from_device(int device, void *dst, const void *src, size_t bytes);
TREADLE_RT_API int treadle_rt_copy_on_device(int device, void *dst, const void *src, size_t bytes);
TREADLE_RT_API int treadle_rt_memset(int device, void *ptr, int byte, size_t bytes);
TREADLE_RT_API int treadle_rt_synchronize(int device);
TREADLE_RT_API int treadle_rt_pointer_device(const void *ptr, int *device); /* the device that holds this address */

typedef struct treadle_rt_event treadle_rt_event;
TREADLE_RT_API int treadle_rt_event_create(int device, treadle_rt_event **event);
TREADLE_RT_API int treadle_rt_event_record(treadle_rt_event *event, void *stream);
/* Waits for end, then gives the time between the two in milliseconds. */
TREADLE_RT_API int treadle_rt_event_elapsed(treadle_rt_event *start, treadle_rt_event *end, float *milliseconds);
TREADLE_RT_API void treadle_rt_event_destroy(treadle_rt_event *event);

#ifdef __cplusplus
}
#endif

#endif
