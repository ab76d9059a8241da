/* A stand-in for libcuda.so.1: it records the driver calls that matter and fails where it is told to.
 *
 * fake_set("major", 9) and the like configure it; fake_set("fail cuLaunchKernel", 1) makes a call fail with that error.
 * fake_log() is one line for each recorded call since fake_reset(). Device memory is host memory. */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef unsigned long long ptr_t;
struct function {
  char name[64];
  long shared;
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static char log_text[1 << 16];
static size_t log_size;
static struct {
  char key[64];
  long value;
} settings[64];
static int setting_count;
static _Thread_local void *current[16];
static _Thread_local int depth;

static long get(const char *key, long otherwise) {
  for (int i = 0; i < setting_count; ++i)
    if (!strcmp(settings[i].key, key))
      return settings[i].value;
  return otherwise;
}

void fake_set(const char *key, long value) {
  for (int i = 0; i < setting_count; ++i)
    if (!strcmp(settings[i].key, key)) {
      settings[i].value = value;
      return;
    }
  snprintf(settings[setting_count].key, sizeof settings[0].key, "%s", key);
  settings[setting_count++].value = value;
}

void fake_reset(void) {
  setting_count = 0;
  log_size = 0;
  log_text[0] = 0;
}

const char *fake_log(void) { return log_text; }
long fake_context_depth(void) { return depth; }

static void note(const char *line) {
  pthread_mutex_lock(&mutex);
  size_t length = strlen(line);
  if (log_size + length + 2 < sizeof log_text) {
    memcpy(log_text + log_size, line, length);
    log_size += length;
    log_text[log_size++] = '\n';
    log_text[log_size] = 0;
  }
  pthread_mutex_unlock(&mutex);
}

#define ENTER(name)                                                                                                    \
  do {                                                                                                                 \
    long code = get("fail " name, 0);                                                                                  \
    if (code)                                                                                                          \
      return (int)code;                                                                                                \
  } while (0)

static void *context(int device) { return (void *)(uintptr_t)(0x1000 + device); }

int cuInit(unsigned flags) {
  const char *fail = getenv("FAKE_CUDA_INIT");
  return fail ? atoi(fail) : (int)flags;
}
int cuGetErrorName(int code, const char **name) {
  *name = code == 1     ? "CUDA_ERROR_INVALID_VALUE"
          : code == 2   ? "CUDA_ERROR_OUT_OF_MEMORY"
          : code == 100 ? "CUDA_ERROR_NO_DEVICE"
          : code == 209 ? "CUDA_ERROR_NO_BINARY_FOR_GPU"
          : code == 218 ? "CUDA_ERROR_INVALID_PTX"
          : code == 500 ? "CUDA_ERROR_NOT_FOUND"
                        : NULL;
  return *name ? 0 : 1;
}
int cuGetErrorString(int code, const char **text) {
  *text = code == 1     ? "invalid argument"
          : code == 2   ? "out of memory"
          : code == 100 ? "no CUDA-capable device is detected"
          : code == 209 ? "no kernel image is available for execution on the device"
          : code == 218 ? "a PTX JIT compilation failed"
          : code == 500 ? "named symbol not found"
                        : NULL;
  return *text ? 0 : 1;
}
int cuDeviceGetCount(int *count) {
  *count = (int)get("count", 2);
  return 0;
}
int cuDeviceGet(int *device, int ordinal) {
  *device = ordinal;
  return 0;
}
int cuDeviceGetName(char *name, int size, int device) {
  snprintf(name, (size_t)size, "Fake GPU %d", device);
  return 0;
}
/* Devices are asked for these once in a process: by ordinal, so that tests can have several sorts. */
int cuDeviceGetAttribute(int *value, int attribute, int device) {
  static const int majors[] = {9, 10, 8, 9}, minors[] = {0, 0, 0, 2};
  *value = attribute == 75   ? majors[device % 4]
           : attribute == 76 ? minors[device % 4]
           : attribute == 97 ? (device == 2 ? 166912 : 232448)
                             : 0;
  return 0;
}
int cuDevicePrimaryCtxRetain(void **result, int device) {
  *result = context(device);
  return 0;
}
int cuCtxGetCurrent(void **result) {
  *result = depth ? current[depth - 1] : NULL;
  return 0;
}
int cuCtxPushCurrent_v2(void *pushed) {
  current[depth++] = pushed;
  return 0;
}
int cuCtxPopCurrent_v2(void **popped) {
  *popped = current[--depth];
  return 0;
}
int cuCtxSynchronize(void) {
  note("cuCtxSynchronize");
  return 0;
}
int cuModuleLoadDataEx(void **module, const void *image, unsigned count, int *options, void **values) {
  int cubin = !memcmp(image,
                      "\x7f"
                      "ELF",
                      4);
  long code = get(cubin ? "fail cubin" : "fail ptx", 0);
  char line[128];
  snprintf(line, sizeof line, "cuModuleLoadDataEx %s device=%d", cubin ? "cubin" : "ptx",
           (int)((uintptr_t)current[depth - 1] - 0x1000));
  note(line);
  for (unsigned i = 0; code && i < count; ++i)
    if (options[i] == 5)
      strcpy(values[i], "ptxas application ptx input, line 1; fatal : bad\n");
  *module = (void *)(uintptr_t)(cubin ? 1 : 2);
  return (int)code;
}
int cuModuleUnload(void *module) {
  note(module ? "cuModuleUnload" : "cuModuleUnload null");
  return 0;
}
int cuModuleGetFunction(void **function, void *module, const char *name) {
  ENTER("cuModuleGetFunction");
  struct function *made = calloc(1, sizeof *made);
  snprintf(made->name, sizeof made->name, "%s", name);
  *function = made;
  return module ? 0 : 1;
}
int cuFuncGetAttribute(int *value, int attribute, void *function) {
  *value = attribute == 1 && function ? (int)get("static_shared", 0) : 0;
  return 0;
}
int cuFuncSetAttribute(void *function, int attribute, int value) {
  ENTER("cuFuncSetAttribute");
  char line[128];
  snprintf(line, sizeof line, "cuFuncSetAttribute %s %d=%d", ((struct function *)function)->name, attribute, value);
  note(line);
  return 0;
}
int cuLaunchKernel(void *function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
                   unsigned shared, void *stream, void **params, void **extra) {
  ENTER("cuLaunchKernel");
  char line[1024];
  int size =
      snprintf(line, sizeof line, "cuLaunchKernel %s grid=%u,%u,%u block=%u,%u,%u shared=%u stream=%#llx device=%d",
               ((struct function *)function)->name, gx, gy, gz, bx, by, bz, shared,
               (unsigned long long)(uintptr_t)stream, (int)((uintptr_t)current[depth - 1] - 0x1000));
  long count = get("params", 0);
  for (long i = 0; i < count && size < 900; ++i)
    size += snprintf(line + size, sizeof line - (size_t)size, "%s%#llx",
                     i ? "," : " params=", (unsigned long long)*(uint64_t *)params[i]);
  note(line);
  return extra ? 1 : 0;
}
int cuMemAlloc_v2(ptr_t *pointer, size_t bytes) {
  ENTER("cuMemAlloc");
  *pointer = (ptr_t)(uintptr_t)aligned_alloc(256, (bytes + 255) / 256 * 256);
  return 0;
}
int cuMemFree_v2(ptr_t pointer) {
  free((void *)(uintptr_t)pointer);
  return 0;
}
int cuMemcpyHtoD_v2(ptr_t to, const void *from, size_t bytes) {
  memcpy((void *)(uintptr_t)to, from, bytes);
  return 0;
}
int cuMemcpyDtoH_v2(void *to, ptr_t from, size_t bytes) {
  memcpy(to, (void *)(uintptr_t)from, bytes);
  return 0;
}
int cuMemcpyDtoD_v2(ptr_t to, ptr_t from, size_t bytes) {
  memcpy((void *)(uintptr_t)to, (void *)(uintptr_t)from, bytes);
  return 0;
}
int cuMemsetD8_v2(ptr_t to, unsigned char byte, size_t bytes) {
  memset((void *)(uintptr_t)to, byte, bytes);
  return 0;
}
int cuPointerGetAttribute(void *value, int attribute, ptr_t pointer) {
  *(int *)value = attribute == 9 ? 1 : -1;
  return pointer ? 0 : 1;
}
int cuEventCreate(void **event, unsigned flags) {
  *event = malloc(1);
  return (int)flags;
}
int cuEventRecord(void *event, void *stream) {
  note("cuEventRecord");
  return event && stream != (void *)-1 ? 0 : 1;
}
int cuEventSynchronize(void *event) { return event ? 0 : 1; }
int cuEventElapsedTime(float *milliseconds, void *start, void *end) {
  *milliseconds = 1.5f;
  return start && end ? 0 : 1;
}
int cuEventDestroy_v2(void *event) {
  free(event);
  return 0;
}
