/* treadle.h - the compiler as a C library: MLIR text in; PTX, cubin, manifest and C header out.
 *
 *   treadle_result *r = treadle_compile(text, strlen(text), "{\"arch\": \"sm_90a\"}");
 *   if (treadle_result_ok(r)) {
 *     size_t size;
 *     const char *ptx = treadle_result_artifact(r, "ptx", &size);
 *     ...
 *   } else {
 *     fputs(treadle_result_diagnostics(r), stderr);
 *   }
 *   treadle_result_free(r);
 *
 * Threads. Every function may be called from any thread, and compiles may run at the same time. What a result or a CPU
 * kernel returns lives until that is freed.
 *
 * Fatal errors of LLVM and crashes of the compiler come back as an error of the result; the process lives on.
 */
#ifndef TREADLE_H
#define TREADLE_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define TREADLE_API __attribute__((visibility("default")))
#else
#define TREADLE_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* "0.1.0" */
TREADLE_API const char *treadle_version(void);

/* Differs between any two builds of the compiler that could produce different code: for the keys of caches. */
TREADLE_API const char *treadle_build_id(void);

/* The path of the ptxas that would be used, "" for none, in a buffer of `size` bytes; its length. */
TREADLE_API size_t treadle_find_ptxas(char *path, size_t size);

/* ---- Compiling for a GPU ---- */

typedef struct treadle_result treadle_result;

/* Compiles `len` bytes of MLIR text. options_json is a JSON object, or NULL for {}:
 *
 *   "arch"       string   "sm_90a": sm_80 or later
 *   "emit"       string   "ptx": the phase to stop at (tile canonical scheduled gpu llvm llvmir ptx)
 *   "from"       string   "tile": the phase that the text is at
 *   "ptxas"      bool     true: make a cubin where ptxas is found; where it is not, there is none, and no error
 *   "fast_math"  bool     false: every kernel may use the approximate units
 *   "locations"  bool     false: print MLIR with its locations
 *   "dump_dir"   string   write the program at every phase into this folder
 *   "name"       string   of the bundle; default: of the first kernel
 *   "kernel"     string   for a CPU: which of several kernels; default: the only one
 *   "file"       string   "kernel.mlir": what messages call the text
 *   "dtype", "constants"  string, object: recorded in the manifest
 *
 * Never NULL. */
TREADLE_API treadle_result *treadle_compile(const char *mlir, size_t len, const char *options_json);

TREADLE_API int treadle_result_ok(const treadle_result *result);

/* A JSON array of {"severity", "file", "line", "column", "message", "notes"}; severity is "error", "warning", "remark"
 * or "note"; file is "" and line 0 where there is no place. Warnings are here also when all went well. */
TREADLE_API const char *treadle_result_diagnostics(const treadle_result *result);

/* "text": the program at the phase asked for. With "ptx": "ptx"; "cubin" (where ptxas was found); "manifest" and
 * "header" (when the text had kernels of the tile dialect) and "mlir" (the text itself, when it was at phase "tile").
 * NULL when there is no such artifact. One 0 byte follows. */
TREADLE_API const char *treadle_result_artifact(const treadle_result *result, const char *name, size_t *len);

/* A JSON object: milliseconds by phase. */
TREADLE_API const char *treadle_result_timings(const treadle_result *result);

TREADLE_API void treadle_result_free(treadle_result *result);

/* ---- Running on the CPU ---- */

typedef struct treadle_cpu_kernel treadle_cpu_kernel;

/* Compiles a program of one kernel, in phase "tile", for this machine. The result has the artifact "manifest" (arch
 * "cpu"), from which libtreadle_rt prepares launches. *kernel is NULL when the result is not ok. Of the options,
 * "name", "kernel", "file", "fast_math", "dtype" and "constants" matter. */
TREADLE_API treadle_result *treadle_cpu_compile(const char *mlir, size_t len, const char *options_json,
                                                treadle_cpu_kernel **kernel);

/* Runs every block of the grid and returns when all are done. params[j] points to the value of the entry's j-th
 * parameter: what treadle_rt_launch_params gives. threads 0: one per core. Several threads may launch at once. */
TREADLE_API void treadle_cpu_launch(const treadle_cpu_kernel *kernel, const int64_t grid[3], void **params,
                                    int threads);

TREADLE_API void treadle_cpu_free(treadle_cpu_kernel *kernel);

#ifdef __cplusplus
}
#endif

#endif
