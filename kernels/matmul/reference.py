"""Product of two matrices, in float64.

Math      c[m, n] = Σ_k a[m, k] · b[k, n]
Shapes    a [M, K]; b [K, N]; c [M, N]
Dtypes    float64 throughout; the kernel takes bf16, f16, f32 and sums in f32; of f32 inputs the products are exact
          to f32 (`ieee`), nearly so (`tf32x3`), or of inputs rounded to tf32
Units     no scale, nothing added
Source    the definition of the matrix product; no paper
"""

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


def matmul(a: Array, b: Array) -> dict[str, Array]:
    return {"c": a @ b}
