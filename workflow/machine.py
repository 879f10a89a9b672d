"""What this machine has: memory, GPUs, disk, programs, packages. Measured without importing torch."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import NamedTuple

from agents.run.gpu import visible

_CGROUP = ("memory.max", "memory/memory.limit_in_bytes")  # version 2 and 1, below /sys/fs/cgroup


class Machine(NamedTuple):
    memory_mb: int
    gpus: int

    def bounds(self) -> dict[str, int]:
        """What the runs at work at the same time may use together, by Snakemake's names of resources."""
        return {"mem_mb": self.memory_mb, "gpu": self.gpus}


def look() -> Machine:
    return Machine(memory_mb(), len(visible()))


def memory_mb(meminfo: Path = Path("/proc/meminfo"), cgroup: Path = Path("/sys/fs/cgroup")) -> int:
    """Memory that all processes here may use together: the machine's, or less where a container is given less."""
    total = int(re.search(r"MemTotal:\s+(\d+) kB", meminfo.read_text())[1]) * 1024  # type: ignore[index]
    for name in _CGROUP:
        try:
            total = min(total, int((cgroup / name).read_text()))
        except (OSError, ValueError):  # no such file, or "max"
            continue
    return total // 1_000_000


def free_bytes(folder: Path) -> int:
    """Free space where a folder is, or will be."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return shutil.disk_usage(folder).free


def no_slurm() -> str | None:
    """Why no job can be submitted from here; None if one can, as far as that can be seen."""
    if lost := [program for program in ("sbatch", "squeue", "scancel") if not shutil.which(program)]:
        return f"there is no {', '.join(lost)} on this machine"
    try:
        asked = subprocess.run(
            ["squeue", "--noheader", "--me"], capture_output=True, text=True, timeout=120, check=False
        )
    except subprocess.TimeoutExpired:
        return "squeue gave no answer within two minutes"
    said = asked.stderr.strip().splitlines()
    return f"squeue fails ({said[0] if said else f'exit code {asked.returncode}'})" if asked.returncode else None


def missing_packages(root: Path, extras: tuple[str, ...] = (), python: str = "python") -> list[str]:
    """Packages of pyproject.toml, and of its `extras`, that the `python` of the jobs cannot find."""
    file = root / "pyproject.toml"
    if not file.exists():
        return []
    project = tomllib.loads(file.read_text(encoding="utf-8"))["project"]
    wanted = [*project["dependencies"], *(text for name in extras for text in project["optional-dependencies"][name])]
    names = [re.split(r"[^A-Za-z0-9._-]", text, maxsplit=1)[0] for text in wanted]
    found = versions(names, python)
    return [name for name in names if name not in found]


def versions(names: list[str], python: str = "python") -> dict[str, str]:
    """Installed package -> its version, by another Python. Raises OSError if that one cannot be started."""
    code = (
        "import json, sys\nfrom importlib import metadata\nfound = {}\nfor name in sys.argv[1:]:\n"
        "    try: found[name] = metadata.version(name)\n    except metadata.PackageNotFoundError: pass\n"
        "print(json.dumps(found))"
    )
    done = subprocess.run([python, "-c", code, *names], capture_output=True, text=True, check=False)
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        raise OSError(f"{python} cannot be used: {lines[-1] if lines else f'exit code {done.returncode}'}")
    return json.loads(done.stdout)


def torch_for_cpus(python: str = "python") -> bool:
    """Whether the torch that the jobs' `python` finds says of itself that it was built for CPUs only."""
    try:
        return versions(["torch"], python).get("torch", "").endswith("+cpu")
    except OSError:
        return False
