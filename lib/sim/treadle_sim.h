/* treadle_sim.h - run PTX on the CPU and check it while it runs.
 *
 * Plain C; the library needs nothing but the C library. lib/sim/README.md describes the machine and the checks.
 *
 *   treadle_sim_module *module;  treadle_sim_memory *memory;  uint64_t x;  char *report;
 *   if (treadle_sim_open(text, size, "scale.ptx", &module)) die(treadle_sim_last_error());
 *   treadle_sim_memory_create(&memory);
 *   treadle_sim_map(memory, data, 4, 2, shape, strides, "x", 1, &x);
 *   const void *params[] = {&x, &rows};
 *   if (treadle_sim_launch(module, "scale", memory, grid, block, shared, params, 2, NULL, &report)) die(...);
 *   ... report is JSON: findings and counts ...
 *   treadle_sim_free(report);  treadle_sim_memory_destroy(memory);  treadle_sim_close(module);
 *
 * Functions return 0, or a TREADLE_SIM_ERROR_* status with a message in treadle_sim_last_error() (the calling
 * thread's). What a kernel does wrong is no failure: it is in the report. Handles may be used from one thread at a
 * time.
 */
#ifndef TREADLE_SIM_H
#define TREADLE_SIM_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define TREADLE_SIM_API __attribute__((visibility("default")))
#else
#define TREADLE_SIM_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

enum {
  TREADLE_SIM_OK = 0,
  TREADLE_SIM_ERROR_PTX = 1,    /* not PTX, or an instruction that is not simulated */
  TREADLE_SIM_ERROR_LAUNCH = 2, /* the launch does not fit the entry */
  TREADLE_SIM_ERROR_USAGE = 3,  /* this library was called wrongly */
  TREADLE_SIM_ERROR_INTERNAL = 4
};

TREADLE_SIM_API const char *treadle_sim_last_error(void);

typedef struct treadle_sim_module treadle_sim_module;
typedef struct treadle_sim_memory treadle_sim_memory;

/* Parse PTX text and decode every entry of it. name is what messages call the text. */
TREADLE_SIM_API int treadle_sim_open(const char *ptx, size_t size, const char *name, treadle_sim_module **module);
TREADLE_SIM_API void treadle_sim_close(treadle_sim_module *module);
/* {"target", "entries": [{"name", "params": [{"name", "bytes"}], "reqntid": [x,y,z] | null, "static_shared",
 *   "dynamic_shared": whether it has a dynamic array}]}; freed with treadle_sim_free. */
TREADLE_SIM_API int treadle_sim_describe(const treadle_sim_module *module, char **json);

TREADLE_SIM_API int treadle_sim_memory_create(treadle_sim_memory **memory);
TREADLE_SIM_API void treadle_sim_memory_destroy(treadle_sim_memory *memory);
/* Make a strided array accessible to launches; strides in elements. Its elements alone: what lies between them is out
 * of bounds. Arrays that overlap in host memory overlap for the kernel. initialised 0: a read before a write is
 * reported. The host memory must stay until the memory is destroyed; launches write into it. address: of its first
 * element, to pass as a parameter. */
TREADLE_SIM_API int treadle_sim_map(treadle_sim_memory *memory, void *data, int element_bytes, int rank,
                                    const int64_t *shape, const int64_t *strides, const char *name, int initialised,
                                    uint64_t *address);

/* All zero is the default: every check, every core. */
typedef struct treadle_sim_options {
  int32_t no_bounds, no_uninitialised, no_races, no_counts;
  int32_t threads;           /* of the host; 0: all cores */
  int32_t max_findings;      /* 0: 20 */
  uint64_t max_instructions; /* of one block's warps; 0: 2^28 */
  uint32_t shared_limit;     /* bytes a block may have; 0: the target's */
  uint32_t reserved;
} treadle_sim_options;

/* Run an entry over a grid. params: pointers to the values of its parameters, as cuLaunchKernel takes them. */
TREADLE_SIM_API int treadle_sim_launch(const treadle_sim_module *module, const char *entry, treadle_sim_memory *memory,
                                       const int64_t grid[3], const int64_t block[3], uint32_t dynamic_shared,
                                       const void *const *params, int n, const treadle_sim_options *options,
                                       char **report);
TREADLE_SIM_API void treadle_sim_free(char *text);

#ifdef __cplusplus
}
#endif

#endif
