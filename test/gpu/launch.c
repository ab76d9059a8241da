/* launch.c - what a launch costs a C program: microseconds until the call returns, at best.
 *
 *   build/bin/launch_cost BUNDLE B=1 H=1 ...
 *
 * Sizes are those of the manifest's named axes. Tensors are new memory of the first GPU, and scalars have their
 * defaults.
 */
#include "treadle_rt.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST = 32, CALLS = 1000, SAMPLES = 20 };

static void check(int status) {
  if (!status)
    return;
  fprintf(stderr, "%s\n", treadle_rt_last_error());
  exit(1);
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return 1e6 * t.tv_sec + 1e-3 * t.tv_nsec;
}

static int64_t size_of(const char *name, int argc, char **argv) {
  size_t length = strlen(name);
  for (int i = 2; i < argc; ++i)
    if (!strncmp(argv[i], name, length) && argv[i][length] == '=')
      return atoll(argv[i] + length + 1);
  fprintf(stderr, "expected %s=SIZE among the arguments\n", name);
  exit(1);
}

static treadle_rt_prepared *prepared;
static treadle_rt_bundle *bundle;
static treadle_rt_arg args[MOST];
static void *pointers[MOST];
static int count, tensors;

static int launch(void) { return treadle_rt_launch(prepared, NULL); }
static int launch_pointers(void) { return treadle_rt_launch_pointers(prepared, pointers, tensors, NULL); }
static int run(void) { return treadle_rt_run(bundle, args, count, NULL); }

static void report(const char *name, int (*call)(void)) {
  double best = 1e30;
  for (int sample = 0; sample < SAMPLES; ++sample) {
    check(treadle_rt_synchronize(0));
    double begin = now();
    for (int i = 0; i < CALLS; ++i)
      check(call());
    double each = (now() - begin) / CALLS;
    best = each < best ? each : best;
  }
  check(treadle_rt_synchronize(0));
  printf("| %s | %.2f |\n", name, best);
}

int main(int argc, char **argv) {
  static treadle_rt_tensor made[MOST];
  static int64_t shapes[MOST][8];
  if (argc < 2) {
    fprintf(stderr, "usage: launch_cost BUNDLE [AXIS=SIZE ...]\n");
    return 2;
  }
  check(treadle_rt_open(argv[1], &bundle));
  count = treadle_rt_param_count(bundle);
  if (count > MOST) {
    fprintf(stderr, "expected at most %d arguments, found %d\n", MOST, count);
    return 1;
  }
  for (int i = 0; i < count; ++i) {
    treadle_rt_param param;
    check(treadle_rt_param_info(bundle, i, &param));
    args[i] = treadle_rt_arg_default();
    if (!param.is_tensor)
      continue;
    size_t bytes = param.element_bytes;
    for (int axis = 0; axis < param.rank; ++axis) {
      shapes[i][axis] = param.dims[axis] ? size_of(param.dims[axis], argc, argv) : param.shape[axis];
      bytes *= shapes[i][axis];
    }
    made[i].device_type = TREADLE_RT_CUDA;
    made[i].ndim = param.rank;
    made[i].dtype_code = param.dtype[0] == 'b'   ? TREADLE_RT_BFLOAT
                         : param.dtype[0] == 'f' ? TREADLE_RT_FLOAT
                                                 : TREADLE_RT_INT;
    made[i].dtype_bits = 8 * param.element_bytes;
    made[i].dtype_lanes = 1;
    made[i].shape = shapes[i];
    check(treadle_rt_alloc(0, bytes, &made[i].data));
    check(treadle_rt_memset(0, made[i].data, 0, bytes));
    pointers[tensors++] = made[i].data;
    args[i] = treadle_rt_arg_tensor(&made[i]);
  }
  check(treadle_rt_prepare(bundle, args, count, &prepared));
  printf("%s, %d arrays\n\n| call | host, us |\n| --- | ---: |\n", treadle_rt_name(bundle), tensors);
  report("treadle_rt_launch", launch);
  report("treadle_rt_launch_pointers", launch_pointers);
  report("treadle_rt_run", run);
  treadle_rt_release(prepared);
  treadle_rt_close(bundle);
  return 0;
}
