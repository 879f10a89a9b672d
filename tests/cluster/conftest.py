"""A real SLURM on this machine for the tests of this folder."""

import fcntl
import os
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
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
    # One machine holds one such cluster: a second pytest waits here. The lock dies with its process, and what
    # a killed one left running is taken down first.
    with open("/run/paper-arcade-cluster.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        subprocess.run([script, "down"], check=True)
        started = subprocess.run([script, "up"], capture_output=True, text=True)
        if started.returncode == 2:
            pytest.skip(started.stderr.strip())
        assert started.returncode == 0, started.stdout + started.stderr
        try:
            yield
        finally:
            subprocess.run([script, "down"], check=True)
