"""What pilots cost beside their trainings: 1,000 runs of about a second on a throw-away SLURM (root).

`python -m benchmarks.pilots --runs 1000 --jobs 2 --cores 1` builds a checkout, submits, waits, and prints CPU-seconds a
run beyond the training processes, the share of the pilots' cores without a training before their slices were done, and
how often a run was begun. The runs are random policies on MinAtar with the real program around them.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.faults.programs import PAPER, build, cluster
from tests.faults.sweep import BEGAN

ACCOUNT = re.compile(
    r"(\d+) trainings forked, the first after [\d.]+ s: ([\d.]+) s of ([\d.]+) s of cores, "
    r"([\d.]+) CPU-seconds; all else ([\d.]+) CPU-seconds"
)
VARIANTS = """    variants:
      random policy: { learning.clock.start_frames: 1_000_000_000, exploration.start: 1.0, exploration.end: 1.0 }
"""


def paper(runs: int, frames: int) -> str:
    """The sweep of tests/faults, of random policies only."""
    head, _, tail = PAPER.partition("    variants:\n")
    text = head + VARIANTS + tail[tail.index("    cluster:") :]
    return text.replace("seeds: 2\n", f"seeds: {runs}\n").replace("budget_frames: 3_000", f"budget_frames: {frames}")


def workflow(checkout: Path, *words: str) -> str:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("SLURM_", "SBATCH_", "SNAKEMAKE_"))}
    command = [sys.executable, "-m", "workflow", *words]
    done = subprocess.run(command, cwd=checkout, env=clean, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stdout + done.stderr)
    return done.stdout


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--frames", type=int, default=6_000, help="of a run")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--cores", type=int, default=1, help="of each pilot")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pilots-") as name, cluster():
        checkout = build(Path(name) / "checkout")
        (checkout / "config/papers/faults.yaml").write_text(paper(options.runs, options.frames))
        print(workflow(checkout, "pilots", "faults", "--jobs", str(options.jobs), "--cores", str(options.cores)))
        began = time.monotonic()
        while subprocess.run(["squeue", "-h", "-t", "PD,R,CF,CG"], capture_output=True, text=True).stdout.strip():
            time.sleep(1.0)
        seconds = time.monotonic() - began
        logs = [path.read_text() for path in checkout.glob("results/logs/pilots/*.log")]
        found = [tuple(map(float, match.groups())) for log in logs for match in ACCOUNT.finditer(log)]
        if not found:
            sys.exit("\n".join(log[-2000:] for log in logs))
        trainings, busy, slots, cpu, rest = (sum(column) for column in zip(*found, strict=True))
        trained = [len(BEGAN.findall(path.read_text())) for path in checkout.glob("results/logs/train/*.log")]
        sealed = len(list(checkout.glob("results/store/*/*/manifest.json")))
        print("\n".join(match[0] for log in logs for match in ACCOUNT.finditer(log)))
        print(f"{sealed} of {options.runs} runs sealed, {sum(trained)} begun, in {seconds:.0f} s")
        print(f"training process {cpu / trainings:.2f} CPU-seconds a run, all else {rest / trainings:.3f}")
        print(f"cores without a training: {1 - busy / slots:.1%}")


if __name__ == "__main__":
    main()
