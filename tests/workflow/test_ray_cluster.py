"""Ray over the nodes of a SLURM job, with stand-ins for SLURM's commands: both nodes are this machine."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.workflow.house import ROOT

SLURM = {
    "squeue": "echo 'n[1-2]'",
    "scontrol": "printf 'n1\\nn2\\n'",
    "srun": 'while [ "${1#--}" != "$1" ]; do shift; done\nexec "$@"',
}
PROBE = """
import os, sys, time, ray
ray.init(address=os.environ["RAY_ADDRESS"], logging_level="error")
until = time.monotonic() + 60
while sum(node["Alive"] for node in ray.nodes()) < 2 and time.monotonic() < until:
    time.sleep(0.2)
print("cpus", ray.cluster_resources()["CPU"])
sys.exit(5)
"""


def run(folder: Path, *command: str, path: str, **environment: str) -> subprocess.CompletedProcess:
    for name, script in SLURM.items():
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("SLURM", "RAY"))}
    return subprocess.run(
        [sys.executable, "-m", "workflow.ray_cluster", *command],
        cwd=ROOT,
        env=clean | {"PATH": f"{folder}{os.pathsep}{path}"} | environment,
        capture_output=True,
        text=True,
        timeout=900,  # Ray on a busy machine
    )


def test_outside_slurm_the_command_runs_as_it_is(tmp_path):
    done = run(tmp_path, "sh", "-c", "echo ${RAY_ADDRESS-none}; exit 3", path=os.environ["PATH"])
    assert (done.returncode, done.stdout) == (3, "none\n")


@pytest.mark.ray
def test_in_a_job_of_two_nodes_the_command_finds_both_and_its_exit_code_counts(tmp_path):
    pytest.importorskip("ray", reason="Ray is not installed: pip install '.[ray]'")
    job = str(1_000_000 + os.getpid())
    slurm = {"SLURM_JOB_ID": job, "SLURMD_NODENAME": "n1", "SLURM_CPUS_PER_TASK": "1"}
    done = run(tmp_path, sys.executable, "-c", PROBE, path=os.environ["PATH"], **slurm)
    assert done.returncode == 5 and "cpus 2.0" in done.stdout, done.stdout + done.stderr
    assert not Path(f"/tmp/ray{job}").exists()
    left = subprocess.run(["pgrep", "-f", f"/tmp/ray{job}"], capture_output=True, text=True)
    assert not left.stdout
