"""What numba compiles, for networks so small that calls cost more than arithmetic; equal to plain code within rounding.

The first use takes some twenty seconds; the result is kept for later processes in a folder of NUMBA_CACHE_DIR, of this
one's __pycache__, or of the user's cache where that cannot be written. numba numbers its files by what it finds there,
so that processes which start together could take each other's: hence a folder for each state of the code and each kind
of processor, and one combination of types for each function. Where nothing can be kept or read, be it for rights or for
room, each process compiles for itself and says so once: nothing depends on what was kept.
"""

import contextlib
import hashlib
import os
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numba
import scipy.linalg.cython_blas  # noqa: F401 - the BLAS that compiled code calls; it must be there to be told
import threadpoolctl
from llvmlite import binding
from numba.core import dispatcher
from numba.core.caching import FunctionCache, NullCache

HERE = Path(__file__).parent


def _bases() -> Iterator[Path]:
    """Where to keep it, in order of preference. Raises RuntimeError where there is no home."""
    if numba.config.CACHE_DIR:
        yield Path(numba.config.CACHE_DIR)
        return
    yield HERE / "__pycache__"
    yield Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "paper-arcade"


def _folder() -> Path | None:
    """The first that can be made and written to, within it one for this code and processor; None where none can."""
    processor = f"{binding.get_host_cpu_name()} {binding.get_host_cpu_features().flatten()} {numba.__version__}"
    code = b"".join(path.read_bytes() for path in sorted(HERE.glob("*.py")))
    name, why = hashlib.sha256(code + processor.encode()).hexdigest()[:16], []
    try:
        for base in _bases():
            try:
                (base / name).mkdir(parents=True, exist_ok=True)
                tempfile.TemporaryFile(dir=base / name).close()
                return base / name
            except OSError as error:
                why.append(error)
    except RuntimeError as error:
        why.append(error)
    _warn("; ".join(map(str, why)))
    return None


_warned: list[str] = []


def _warn(why: str) -> None:
    if not _warned:
        _warned.append(why)
        warnings.warn(
            f"compiled code cannot be kept or loaded ({why}): each process spends some twenty seconds on its own; "
            "set NUMBA_CACHE_DIR to a folder that can be written to",
            RuntimeWarning,
            stacklevel=2,
        )


class _Kept(FunctionCache):
    """numba's cache of one function, as an offer: what it cannot load or save is compiled and used all the same."""

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        try:
            return super().load_overload(sig, target_context)
        except Exception as error:  # whatever a spoiled file leads to
            _warn(f"{type(error).__name__}: {error}")
            with contextlib.suppress(OSError):
                self.flush()
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        try:
            super().save_overload(sig, data)
        except Exception as error:
            _warn(f"{type(error).__name__}: {error}")


FOLDER = _folder()


def _cache(function: Callable) -> FunctionCache | NullCache:
    """What stands behind njit(cache=True)."""
    return NullCache() if FOLDER is None else _Kept(function)


dispatcher.FunctionCache = _cache  # numba's own lets its errors out, and a run would end of them
if FOLDER is not None:
    numba.config.CACHE_DIR = str(FOLDER)
numba.config.SLP_VECTORIZE = 1  # lines that do the same to neighbours become one instruction (q_learning.py)
threadpoolctl.threadpool_limits(1, user_api="blas")  # the number of threads changes the last bits of a training
