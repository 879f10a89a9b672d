"""What numba compiles, for networks so small that calls cost more than arithmetic; equal to plain code within rounding.

The first use takes some ten seconds; the result is kept beside the code, or in NUMBA_CACHE_DIR where that is set.
"""

import numba
import scipy.linalg.cython_blas  # noqa: F401 - the BLAS that compiled code calls; it must be there to be told
import threadpoolctl

numba.config.SLP_VECTORIZE = 1  # lines that do the same to neighbours become one instruction (q_learning.py)
threadpoolctl.threadpool_limits(1, user_api="blas")  # the number of threads changes the last bits of a training
