"""Training on one GPU, by the clock: frames/s, updates/s and utilisation, for graphs and for updates as they stand.

`python -m benchmarks.gpu` (make bench-gpu) starts trainings on Atari Breakout in two processes each, one with
its update as a CUDA graph, one without, which take turns in windows of `--seconds`; then 1, 2, 4 and 8 processes with
graphs run at once. Utilisation is what nvidia-smi says, the mean of a window. Memories and numbers of environments are
cut, so that a run fits beside others; batches and networks are the papers'. Evaluations and checkpoints are left out.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ALGORITHMS = {"DQN": "dqn_nature", "Rainbow": "rainbow", "R2D2": "r2d2", "IMPALA": "impala_shallow"}
FORMS = ("graph", "eager")
READY = "benchmark:"  # begins the lines that a process means for us
STEPS, STREAMS, WARM_UPDATES = 20_000, 8, 20


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=10.0, help="of a window")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--algorithms", nargs="+", choices=ALGORITHMS, default=list(ALGORITHMS))
    parser.add_argument("--runs", nargs="+", type=int, default=[1, 2, 4, 8], help="at once on the GPU")
    parser.add_argument("--one", nargs=2, metavar=("ALGORITHM", "FORM"), help="one process, for the above")
    options = parser.parse_args()
    if options.one:
        serve(*options.one)
        return 0
    import torch

    if not torch.cuda.is_available():
        print(f"no GPU that torch {torch.__version__} can use: nothing was measured")
        return 1
    print(f"{torch.cuda.get_device_name(0)}, torch {torch.__version__}; frames/s, updates/s, utilisation")
    for name in options.algorithms:
        compare(name, options.seconds, options.rounds)
        for number in options.runs:
            together(name, number, options.seconds)
    return 0


def spec(algorithm: str, device: str):
    """The algorithm's training on Breakout, in one process; learning starts as soon as there is something to draw."""
    from agents.spec import Spec
    from workflow.config import Project

    tree = json.loads(json.dumps(Project(ROOT).algorithm(ALGORITHMS[algorithm]).spec))
    tree["environment"] |= {"game": "breakout", "streams": min(tree["environment"]["streams"], STREAMS)}
    tree["executor"] = {"kind": "inline", "lags_updates": [0]}
    tree["memory"]["capacity_steps"] = min(tree["memory"]["capacity_steps"], STEPS)
    tree["record"]["probes"] = []
    clock, streams = tree["learning"]["clock"], tree["environment"]["streams"]
    if clock["kind"] == "frames":
        clock["start_frames"] = 4 * streams * 250
        clock["every_frames"] = min(clock["every_frames"], 4 * streams * 52)  # R2D2: for 52 steps of all
    if tree["exploration"]["kind"] == "linear":
        tree["exploration"] |= {"warmup_frames": 0, "end_frames": 0}
    return Spec.model_validate(tree | {"version": 1, "seed": 0, "budget_frames": 10**9, "device": device, "threads": 1})


def serve(algorithm: str, form: str) -> None:
    """Warm up; then train for as many seconds as each line of input says; answer with frames and updates a second."""
    import tempfile

    import torch

    from agents.arithmetic import settle
    from agents.run.checkpoint import Checkpoints
    from agents.run.loop import Run

    settle(1)
    run = Run(spec(algorithm, "cuda"), Checkpoints(Path(tempfile.mkdtemp()), {}, print))
    learner = run.parts.learner
    learner.agent.update.usable = form == "graph"
    while learner.updates < WARM_UPDATES:
        run.iterate()
    print(f"{READY} {learner.agent.update.usable}", flush=True)
    for line in sys.stdin:
        torch.cuda.synchronize()
        began, frames, updates = time.monotonic(), run.frame, learner.updates
        while time.monotonic() - began < float(line):
            run.iterate()
        torch.cuda.synchronize()
        took = time.monotonic() - began
        print(f"{READY} {(run.frame - frames) / took} {(learner.updates - updates) / took}", flush=True)


class Process:
    """A training in its own process; it ends when its input does."""

    def __init__(self, algorithm: str, form: str):
        command = [sys.executable, "-m", "benchmarks.gpu", "--one", algorithm, form]
        self.process = subprocess.Popen(command, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def begin(self, seconds: float) -> None:
        self.process.stdin.write(f"{seconds}\n")
        self.process.stdin.flush()

    def answer(self) -> list[str]:
        for line in self.process.stdout:
            if line.startswith(READY):
                return line.split()[1:]
        raise RuntimeError(f"a training ended by code {self.process.wait()}")

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()


def window(processes: list[Process], seconds: float) -> tuple[float, float, float]:
    """All of them at once; -> frames/s and updates/s of all, utilisation in percent."""
    for process in processes:
        process.begin(seconds)
    seen, ends = [], time.monotonic() + seconds
    while time.monotonic() < ends:
        seen.append(utilisation())
        time.sleep(0.5)
    answers = [[float(word) for word in process.answer()] for process in processes]
    frames, updates = (sum(each) for each in zip(*answers, strict=True))
    return frames, updates, statistics.fmean(seen)


def utilisation() -> float:
    """Percent of the last moments in which the first GPU computed; not a number without nvidia-smi."""
    command = ["nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)
        return float(done.stdout.splitlines()[0])
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return float("nan")


def compare(name: str, seconds: float, rounds: int) -> None:
    """Graph against eager: medians, and the median ratio within a round."""
    processes = {form: Process(name, form) for form in FORMS}
    usable = {form: process.answer()[0] for form, process in processes.items()}
    if usable["graph"] != "True":
        print(f"{name}: its update could not be recorded as a graph")
    found = []
    for number in range(rounds):
        order = FORMS[:: 1 if number % 2 else -1]
        found.append({form: window([processes[form]], seconds) for form in order})
    for form in FORMS:
        print(line(f"{name}, {form}", [statistics.median(each[form][k] for each in found) for k in range(3)]))
    ratios = sorted(each["graph"][0] / each["eager"][0] for each in found)
    print(
        f"  graph / eager, frames/s: {statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})", flush=True
    )
    for process in processes.values():
        process.close()


def together(name: str, number: int, seconds: float) -> None:
    """So many runs on the GPU at once."""
    processes = [Process(name, "graph") for _ in range(number)]
    for process in processes:
        process.answer()
    print(line(f"{name}, {number} at once", window(processes, seconds)), flush=True)
    for process in processes:
        process.close()


def line(label: str, numbers: list[float] | tuple[float, ...]) -> str:
    frames, updates, used = numbers
    return f"  {label:24} {frames:9.0f} {updates:9.1f} {used:5.0f} %"


if __name__ == "__main__":
    sys.exit(main())
