"""What numba compiles, for networks so small that calls cost more than arithmetic; equal to plain code within rounding.

The first use takes some twenty seconds; the result is kept for later processes in a folder of NUMBA_CACHE_DIR, of this
one's __pycache__, or of the user's cache where that cannot be written. numba numbers its files by what it finds there,
so that processes which start together could take each other's: hence a folder for each state of the code and each kind
of processor, and one combination of types for each function.
"""

import hashlib
import os
from pathlib import Path

import numba
import scipy.linalg.cython_blas  # noqa: F401 - the BLAS that compiled code calls; it must be there to be told
import threadpoolctl
from llvmlite import binding

HERE = Path(__file__).parent


def _folder() -> Path:
    own, users = HERE / "__pycache__", Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "paper-arcade"
    writable = os.access(own if own.exists() else HERE, os.W_OK)
    base = Path(numba.config.CACHE_DIR) if numba.config.CACHE_DIR else own if writable else users
    processor = f"{binding.get_host_cpu_name()} {binding.get_host_cpu_features().flatten()} {numba.__version__}"
    code = b"".join(path.read_bytes() for path in sorted(HERE.glob("*.py")))
    return base / hashlib.sha256(code + processor.encode()).hexdigest()[:16]


numba.config.CACHE_DIR = str(_folder())
numba.config.SLP_VECTORIZE = 1  # lines that do the same to neighbours become one instruction (q_learning.py)
threadpoolctl.threadpool_limits(1, user_api="blas")  # the number of threads changes the last bits of a training
