"""A real SLURM on this machine for the tests of this folder."""

import fcntl
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

HERE = Path(__file__).parent
LOCK = Path("/run/paper-arcade-cluster.lock")
PATIENCE = 900  # seconds until the cluster of another pytest has to be down
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel", "scontrol")


def why_no_cluster() -> str | None:
    """The reason why no cluster can be started here; None if one can."""
    path = os.environ["PATH"] + ":/usr/sbin:/sbin"
    missing = [program for program in PROGRAMS if not shutil.which(program, path=path)]
    if missing:
        return f"SLURM is not installed ({', '.join(missing)} missing); as root, tests/setup.sh installs it"
    if os.geteuid() != 0:
        return "only root can start SLURM's daemons"
    return None


@pytest.fixture
def cluster():
    """A new SLURM: two nodes, each with four CPUs and two fake GPUs. Skips where none can be had, saying why.

    It is up in a tenth of a second, so each test has its own, whose jobs count from 1.
    """
    if reason := why_no_cluster():
        pytest.skip(reason)
    script = str(HERE / "cluster.sh")
    # One machine holds one such cluster: a second pytest waits here. What a killed one left is taken down first.
    with open(LOCK, "a") as lock, alone(lock):
        subprocess.run([script, "down"], check=True, timeout=PATIENCE)
        started = subprocess.run([script, "up"], capture_output=True, text=True, timeout=PATIENCE)
        if started.returncode == 2:
            pytest.skip(started.stderr.strip())
        assert started.returncode == 0, started.stdout + started.stderr
        try:
            yield
        finally:
            subprocess.run([script, "down"], check=True, timeout=PATIENCE)


@contextmanager
def alone(lock: IO[str]) -> Iterator[None]:
    """Hold the lock, which a killed process gives back; and give it back, also where forks of this one still live."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if time.monotonic() > deadline:
                pytest.fail(f"{LOCK} is held by {LOCK.read_text() or 'another process'} for more than {PATIENCE} s")
            time.sleep(0.2)
    try:
        lock.truncate(0)
        lock.write(f"process {os.getpid()}")
        lock.flush()
        yield
    finally:
        fcntl.flock(lock, fcntl.LOCK_UN)
