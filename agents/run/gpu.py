"""Which GPUs there are, and one of them for this process alone. Standard library only: it comes before torch.

Each GPU has a lock file in /tmp that all users of the machine share. The lock belongs to the open file, so it goes with
the process, however that ends.
"""

import fcntl
import os
import re
import subprocess
from collections.abc import Mapping, MutableMapping
from pathlib import Path

LOCKS = Path("/tmp/paper-arcade-gpus")  # not $TMPDIR, which may be each job's own
_held: list[int] = []  # open files whose locks last as long as this process


def visible(environment: Mapping[str, str] = os.environ, proc: Path = Path("/proc/driver/nvidia/gpus")) -> list[str]:
    """The GPUs that a process with this environment may use: what stands in CUDA_VISIBLE_DEVICES, else all UUIDs."""
    if "CUDA_VISIBLE_DEVICES" in environment:
        names = [name.strip() for name in environment["CUDA_VISIBLE_DEVICES"].split(",")]
        stop = next((i for i, name in enumerate(names) if name in ("", "-1", "NoDevFiles")), len(names))
        return names[:stop]  # as CUDA reads it: nothing counts after the first name that names no GPU
    return _listed() or [found[1] for path in sorted(proc.glob("*/information")) if (found := _uuid(path))]


def claim(environment: MutableMapping[str, str] = os.environ, locks: Path = LOCKS) -> str | None:
    """Take a GPU that no other run has, as the only one that this process sees; -> its name.

    None, and nothing changes, where the choice is made: SLURM or whoever started this has named one, or SLURM gave
    the job its GPUs in another way; or there is none. When all are taken the first is shared.
    """
    names = visible(environment)
    given = "CUDA_VISIBLE_DEVICES" in environment
    if not names or ("SLURM_JOB_ID" in environment and not given) or (given and len(names) == 1):
        return None
    chosen = _lock(names, locks) or names[0]
    environment["CUDA_VISIBLE_DEVICES"] = chosen
    return chosen


def _lock(names: list[str], locks: Path) -> str | None:
    """The first of these GPUs whose lock is free; it is held from now on."""
    uuids = _listed()
    for name in names:
        known = uuids[int(name)] if name.isdigit() and int(name) < len(uuids) else name
        try:
            file = _open(locks, re.sub(r"[^A-Za-z0-9._-]", "_", known))
        except OSError:
            continue  # no place for locks: then nobody has one
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(file)
            continue
        _held.append(file)
        return name
    return None


def _open(locks: Path, name: str) -> int:
    """The lock file, for all users: a lock needs no right to write."""
    mask = os.umask(0)
    try:
        locks.mkdir(mode=0o1777, exist_ok=True)
        try:
            return os.open(locks / name, os.O_RDONLY | os.O_CREAT, 0o666)
        except PermissionError:  # another user's file in a folder where only owners may create over it
            return os.open(locks / name, os.O_RDONLY)
    finally:
        os.umask(mask)


def _listed() -> list[str]:
    """UUIDs by nvidia-smi, in its order; where a GPU is cut into MIG instances, theirs. None without nvidia-smi."""
    try:
        done = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    found: list[str] = []
    whole = ""
    for line in done.stdout.splitlines():
        match = re.search(r"UUID: ((?:GPU|MIG)-[^)\s]+)", line)
        if not match:
            continue
        if match[1].startswith("MIG") and found and found[-1] == whole:
            found.pop()  # the GPU itself cannot be used beside its instances
        found.append(match[1])
        whole = match[1] if match[1].startswith("GPU") else whole
    return found


def _uuid(path: Path) -> re.Match[str] | None:
    try:
        return re.search(r"GPU UUID:\s*(GPU-\S+)", path.read_text())
    except OSError:
        return None
