"""`make faults`: kill processes at random moments and damage files, and see that nothing is lost, doubled or wrong.

Ends with 1 and says what, if any rule was broken. docs/reliability.md says what is injected and what came out.
"""

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.faults import damages, pilots, programs, trainings


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--kills", type=int, default=1000, help="processes to kill")
    parser.add_argument("--programs", type=int, help="of these: of the real driver, Snakemake and its trainings (5 %%)")
    parser.add_argument("--flips", type=int, default=1000, help="files to damage")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--pilots", type=int, default=0, help="disturbances of pilots, beside the kills (root, SLURM)")
    parser.add_argument("--slurm", action="store_true", help="kill programs on a SLURM of tests/cluster/cluster.sh")
    options = parser.parse_args()
    real = options.kills // 20 if options.programs is None else min(options.programs, options.kills)
    rng, counts, broken = random.Random(options.seed), Counter(), []
    with tempfile.TemporaryDirectory(prefix="paper-arcade-faults-") as name:
        folder = Path(name)
        expected = _timed(counts, "undisturbed", trainings.calm, folder / "calm")
        broken += _timed(counts, "damages", damages.campaign, folder, options.flips, rng, expected, counts)
        forked = options.kills - real
        broken += _timed(counts, "trainings", trainings.campaign, folder, forked, rng, expected, counts)
        if real:
            broken += _timed(counts, "programs", programs.campaign, folder, real, rng, counts, options.slurm)
        if options.pilots:
            broken += _timed(counts, "pilots", pilots.campaign, folder, options.pilots, rng, counts)
    print("\n".join(broken) or "no rule was broken", file=sys.stderr)
    print(f"{'FAILED' if broken else 'passed'}: " + ", ".join(f"{name} {count}" for name, count in counts.items()))
    return 1 if broken else 0


def _timed(counts: Counter, what: str, function, *arguments):
    began = time.monotonic()
    try:
        return function(*arguments)
    finally:
        counts[f"seconds of {what}"] += round(time.monotonic() - began)
        print(f"{what}: {counts}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
