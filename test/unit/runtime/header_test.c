/* treadle_rt.h is C, and its tensor has the layout of DLPack's on 64-bit machines. */
#include "treadle_rt.h"

_Static_assert(sizeof(treadle_rt_tensor) == 48, "size");
_Static_assert(offsetof(treadle_rt_tensor, device_type) == 8, "device");
_Static_assert(offsetof(treadle_rt_tensor, ndim) == 16, "ndim");
_Static_assert(offsetof(treadle_rt_tensor, dtype_code) == 20, "dtype");
_Static_assert(offsetof(treadle_rt_tensor, shape) == 24, "shape");
_Static_assert(offsetof(treadle_rt_tensor, strides) == 32, "strides");
_Static_assert(offsetof(treadle_rt_tensor, byte_offset) == 40, "byte_offset");
_Static_assert(sizeof(treadle_rt_arg) == 16, "argument");

int treadle_rt_header_is_c(void);
int treadle_rt_header_is_c(void) { return treadle_rt_arg_float(1.0).kind == TREADLE_RT_ARG_FLOAT; }
