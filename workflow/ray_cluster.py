"""`python -m workflow.ray_cluster COMMAND …`: run a command with a Ray cluster over the nodes of its SLURM job.

The rule of training runs puts this before the command of a run whose executor is `ray`. Outside SLURM, or on one node,
the command runs as it is and starts Ray for itself. In an allocation of several nodes Ray's head starts here and one
Ray node on each other node, each with exactly the CPUs that SLURM gave (Ray would take all that it sees). They are
reached with a token made for this job, and end with the command; whoever else's Ray runs on these nodes is left alone
(`ray stop` and `ray symmetric-run` would end it, so neither is used).

Exit code: the command's, or 69 when the cluster does not come up: a run is finished when run.json is there, only then.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

NO_CLUSTER = 69
START = 180.0  # seconds for the head to answer, on a slow file system
LEAVE = 10.0  # seconds for Ray to leave


def main(command: list[str]) -> int:
    job = os.environ.get("SLURM_JOB_ID")
    nodes = allocation(job) if job else []
    if len(nodes) < 2:
        return follow(subprocess.Popen(command))
    return with_cluster(command, job or "", nodes)


def allocation(job: str) -> list[str]:
    """Names of a job's nodes. (Asked for: Snakemake drops most of SLURM's variables on the way.)"""
    listing = _said("squeue", "--noheader", f"--jobs={job}", "--format=%N")
    return _said("scontrol", "show", "hostnames", listing).split() if listing else []


def with_cluster(command: list[str], job: str, nodes: list[str]) -> int:
    """Start Ray on all nodes, run the command, end Ray."""
    here = os.environ.get("SLURMD_NODENAME") or socket.gethostname().partition(".")[0]
    others = [node for node in nodes if node != here]
    number = int(job.partition("_")[0])
    address = f"{_address()}:{20_000 + number % 20_000}"
    ray = shutil.which("ray", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if ray is None:
        return _failed("the executor is `ray`, but there is no Ray here: pip install '.[ray]'")
    environment = os.environ | {
        "PATH": f"{Path(ray).parent}{os.pathsep}{os.environ.get('PATH', '')}",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        "RAY_USAGE_STATS_ENABLED": "0",
    }
    cpus = os.environ.get("SLURM_CPUS_PER_TASK") or str(len(os.sched_getaffinity(0)))
    start = [ray, "start", "--block", f"--num-cpus={cpus}"]
    port = address.partition(":")[2]
    # A short folder: paths of Unix sockets may have 107 characters.
    head = [*start, "--head", f"--port={port}", f"--temp-dir=/tmp/ray{job}", "--include-dashboard=false"]
    join = [*start, f"--address={address}"]
    parts = [subprocess.Popen(head, env=environment, start_new_session=True)]
    try:
        if not _answers(address, parts[0]):
            return _failed(f"Ray's head did not start at {address}")
        for node in others:
            step = ["srun", "--overlap", "--nodes=1", "--ntasks=1", f"--cpus-per-task={cpus}", f"--nodelist={node}"]
            parts.append(subprocess.Popen([*step, *join], env=environment, start_new_session=True))
        print(f"Ray at {address} on {here} and {', '.join(others)}", file=sys.stderr, flush=True)
        return follow(
            subprocess.Popen(command, env=environment | {"RAY_ADDRESS": address, "RAY_NODES": str(len(nodes))})
        )
    finally:
        for part in reversed(parts):
            _end(part)
        shutil.rmtree(f"/tmp/ray{job}", ignore_errors=True)


def follow(child: subprocess.Popen) -> int:
    """Wait for the command; signals that come here are passed on to it."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # nohup asks to live on
            signal.signal(number, lambda number, frame: child.send_signal(number))
    status = child.wait()
    return status if status >= 0 else 128 - status


def _answers(address: str, head: subprocess.Popen) -> bool:
    host, _, port = address.partition(":")
    until = time.monotonic() + START
    while head.poll() is None and time.monotonic() < until:
        try:
            socket.create_connection((host, int(port)), timeout=2).close()
            return True
        except OSError:
            time.sleep(0.5)
    return False


def _end(part: subprocess.Popen) -> None:
    """Ask it and all that it started to leave, then insist."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(part.pid, number)
        except ProcessLookupError:
            pass
        try:
            part.wait(LEAVE)
        except subprocess.TimeoutExpired:
            continue


def _address() -> str:
    """The address by which other machines reach this one: that of the way out, not of the host's name."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as way:
        try:
            way.connect(("192.0.2.1", 9))  # nothing is sent
            return way.getsockname()[0]
        except OSError:
            return "127.0.0.1"


def _said(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def _failed(why: str) -> int:
    print(why, file=sys.stderr, flush=True)
    return NO_CLUSTER


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
