"""What runs will cost, before any has run: time by the clock on these cores, core-hours, GPU-hours, disk.

workflow/speeds.yaml holds the CPU time of each algorithm's steps on a machine that is named there, and what a fixed
computation took on it; the same computation here says how fast this machine is. Finished runs correct the account of
those like them.
"""

from __future__ import annotations

import heapq
import json
import math
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from statistics import median
from types import MappingProxyType
from typing import Any, NamedTuple

from workflow.expand import Run
from workflow.strict_yaml import load

START = 5.0  # seconds until a run begins to train: Python, torch, compiled code
JOB = 4.0  # seconds of a job that draws or collects
SCREEN = 84 * 84  # bytes of an observation in Atari's replay memory
BASE = 150_000.0  # bytes that a run leaves beside its tables of episodes and evaluations
ROW = 12.0  # bytes of a row of those tables, compressed


class Speed(NamedTuple):
    """CPU milliseconds on the reference machine (see workflow/speeds.yaml), what they are of, and MB of parameters."""

    turn: float = 0.0
    stream: float = 0.0
    update: float = 0.0
    rows: float = 1.0
    noisy: bool = False
    dueling: bool = False
    unit: float = 0.0
    weights: float = 0.0


class Speeds(NamedTuple):
    selftest: float  # seconds of the reference machine
    of: Mapping[str, Speed]


class Here(NamedTuple):
    """This machine: its cores, and how long its steps take, as a multiple of the reference machine's."""

    cores: int
    slowness: float = 1.0
    memory_mb: int = 10**9
    gpus: int = 0


class Planned(NamedTuple):
    """A run to be made; `done`: frames of its checkpoint."""

    run: Run
    done: int = 0


class Past(NamedTuple):
    """A finished run: its algorithm, spec and seconds by the clock."""

    algorithm: str
    spec: Mapping[str, Any]
    seconds: float


class Estimate(NamedTuple):
    """`bounded`: runs of which only the time limit (cluster.runtime_minutes) is known; the others' speeds are."""

    seconds: float
    core_seconds: float
    gpu_seconds: float
    bytes: float
    bounded: int


def estimate(
    planned: Iterable[Planned], here: Here, speeds: Speeds, past: Iterable[Past] = (), others: int = 0
) -> Estimate:
    """The cost of runs in the order in which they start, and of `others`: jobs that are no runs."""
    corrections = _corrections(past, here, speeds)
    jobs: list[tuple[float, Planned]] = []
    core = gpu = size = 0.0
    bounded = 0
    for each in planned:
        point, spec = each.run.point, each.run.point.parsed()
        speed = _speed(each.run, speeds)
        bounded += speed is None or spec["device"] != "cpu"
        seconds = run_seconds(each, spec, here, speeds, corrections)
        jobs.append((seconds, each))
        core += seconds * point.cluster.cpus
        gpu += seconds * point.cluster.gpu * (spec["device"] == "cuda")
        size += left_behind(spec, speed)
    drawing = others * JOB * here.slowness
    return Estimate(_clock(jobs, here) + drawing / here.cores, core + drawing, gpu, size, bounded)


def run_seconds(
    planned: Planned,
    spec: Mapping[str, Any],
    here: Here,
    speeds: Speeds,
    corrections: Mapping[str, float] = MappingProxyType({}),
) -> float:
    """Seconds by the clock of what is left of a run: its time limit where its speed is not known."""
    point, speed = planned.run.point, _speed(planned.run, speeds)
    left = 1 - min(1.0, planned.done / spec["budget_frames"])
    if speed is None or spec["device"] != "cpu":
        return point.cluster.runtime_minutes * 60.0 * left
    training = left * training_seconds(spec, speed, here)
    return START * here.slowness + training * corrections.get(point.algorithm, 1.0)


def _speed(run: Run, speeds: Speeds) -> Speed | None:
    return speeds.of.get(run.point.algorithm) or speeds.of.get(run.point.extends or "")


def _corrections(past: Iterable[Past], here: Here, speeds: Speeds) -> dict[str, float]:
    """Algorithm -> the median of what its finished runs took, as a multiple of what would have been expected."""
    ratios: dict[str, list[float]] = {}
    for run in past:
        if (speed := speeds.of.get(run.algorithm)) and run.spec["device"] == "cpu":
            ratios.setdefault(run.algorithm, []).append(run.seconds / training_seconds(run.spec, speed, here))
    return {name: median(found) for name, found in ratios.items()}


def training_seconds(spec: Mapping[str, Any], speed: Speed, here: Here) -> float:
    """Seconds by the clock that a whole run trains and evaluates, on cores of its own as far as there are any."""
    if "learning" not in spec:
        return here.slowness * spec["budget_frames"] * speed.unit / 1e3
    streams, repeat = spec["environment"]["streams"], spec["environment"].get("repeat", 1)
    acting = spec["budget_frames"] / (streams * repeat) * (speed.turn + streams * speed.stream)
    learning = updates(spec) * speed.update * _heavier(spec, speed)
    executor = spec["executor"]
    if executor["kind"] in ("hogwild", "hogwild_own"):  # each worker acts and learns
        spent = (acting + learning) / min(executor["actors"], here.cores)
    elif executor["kind"] == "inline" or here.cores == 1:
        spent = acting + learning
    else:  # actors beside a learner: the slower of the two, or both on too few cores
        workers = min(executor["actors"], here.cores - 1)
        spent = max(acting / workers, learning, (acting + learning) / here.cores)
    return here.slowness * (spent + _evaluating(spec, speed)) / 1e3


def _heavier(spec: Mapping[str, Any], speed: Speed) -> float:
    """What an update of this spec costs, as a multiple of its algorithm's.

    About half of an update follows the rows; of a world model that is unrolled over them, and of batches of thousands
    of rows for small networks, all but the optimizer's hundredth. The parts' factors were measured beside the DQN of
    MinAtar (spectral normalisation also beside Atari's),
    to be right within a half.
    """
    if spec["agent"]["kind"] in ("dreamer", "gaussian"):  # whose networks have none of the parts below
        return max(rows(spec) / speed.rows, 0.01)
    small = spec["environment"]["suite"] != "atari"
    factor = (1 + rows(spec) / speed.rows) / 2
    if spec["spectral"]["kind"] != "none":
        factor *= 1.7 if small else 1.3
    if spec["agent"].get("penalty", {}).get("kind") == "gradient":
        factor *= 3.5
    if spec["network"]["normalisation"]["kind"] != "none":
        factor *= 2.0
    if small and spec["network"]["linear"]["kind"] != "plain" and not speed.noisy:
        factor *= 2.2
    if small and spec["network"]["head"]["kind"] == "dueling" and not speed.dueling:
        factor *= 2.2
    if spec["environment"]["suite"] == "minatar" and spec["network"]["torso"]["kind"] == "convolutional":
        factor *= 1 + 0.6 * max(0, len(spec["network"]["convolutions"]) - 1)
    return factor


def _evaluating(spec: Mapping[str, Any], speed: Speed) -> float:
    """Milliseconds of all evaluations, by the frames that they may take."""
    rules, repeat = spec["evaluation"], spec["environment"].get("repeat", 1)
    streams = min(rules["streams"], rules["episodes"] or rules["streams"])
    frames = rules["frames"] or math.inf
    if rules["episodes"]:
        frames = min(frames, rules["episodes"] * min(rules["cap_frames"], EPISODE * repeat))
    turns = frames / (streams * repeat)
    times = spec["budget_frames"] // rules["every_frames"] + 1 + len(rules["trials"])
    return times * turns * (speed.turn + streams * speed.stream)


EPISODE = 250  # agent steps of an evaluation episode, where only their number is given


def updates(spec: Mapping[str, Any]) -> float:
    """Updates of the network in a whole run."""
    learning, select, agent = spec["learning"], spec["memory"]["select"], spec["agent"]
    clock = learning["clock"]
    if clock["kind"] == "unrolls":
        steps = spec["budget_frames"] / spec["environment"].get("repeat", 1)
        fresh = max(1, learning["batch"] - round(learning["batch"] * select.get("replay_share", 0.0)))
        replaying = max(0.0, 1 - select.get("start_steps", 0) / steps)
        return steps / (fresh * agent["unroll"]) * (1 + replaying * select.get("replay_ratio", 0.0))
    return max(0, spec["budget_frames"] - clock["start_frames"]) / clock["every_frames"]


def rows(spec: Mapping[str, Any]) -> int:
    """Rows that an update learns from."""
    agent = spec["agent"]
    return spec["learning"]["batch"] * (agent.get("unroll") or agent.get("sequence") or 1)


def left_behind(spec: Mapping[str, Any], speed: Speed | None) -> float:
    """Bytes that a finished run leaves: tables and weights."""
    size = BASE + 1e6 * (speed.weights if speed else 0.0)
    if "learning" in spec:
        rules = spec["evaluation"]
        each = rules["episodes"] or rules["frames"] / EPISODE
        size += ROW * (spec["budget_frames"] // rules["every_frames"] * each + spec["budget_frames"] / EPISODE)
    return size


def at_work(spec: Mapping[str, Any]) -> float:
    """Bytes of a run's checkpoint while it trains: its memory, above all."""
    if "learning" not in spec:
        return 0.0
    rows = min(spec["memory"]["capacity_steps"], spec["budget_frames"] / spec["environment"].get("repeat", 1))
    return rows * (SCREEN if spec["environment"]["suite"] == "atari" else 700)


def disk(specs: Iterable[str], at_once: int = 1) -> float:
    """Bytes that runs (their specs as JSON) will want: what they leave, and the largest checkpoints while they work."""
    found = [json.loads(text) for text in specs]
    checkpoints = heapq.nlargest(at_once, map(at_work, found))
    return sum(left_behind(spec, None) for spec in found) + sum(checkpoints)


def _clock(jobs: list[tuple[float, Planned]], here: Here) -> float:
    """Seconds until the last of the runs is done, each started as soon as there is room for it, in their order."""
    running: list[tuple[float, int, int, int]] = []  # end, cores, MB, GPUs
    now, cores, memory, gpus = 0.0, here.cores, here.memory_mb, here.gpus
    for seconds, each in jobs:
        point = each.run.point
        wanted = (min(point.threads, here.cores), min(point.cluster.mem_mb, here.memory_mb))
        on_gpu = min(point.cluster.gpu, here.gpus) if point.device == "cuda" else 0
        while running and (wanted[0] > cores or wanted[1] > memory or on_gpu > gpus):
            now, *free = heapq.heappop(running)
            cores, memory, gpus = cores + free[0], memory + free[1], gpus + free[2]
        cores, memory, gpus = cores - wanted[0], memory - wanted[1], gpus - on_gpu
        heapq.heappush(running, (now + seconds, *wanted, on_gpu))
    return max((end for end, *_ in running), default=now)


def read_speeds(root: Path) -> Speeds:
    """workflow/speeds.yaml."""
    data = load(root / "workflow" / "speeds.yaml", "workflow/speeds.yaml").data
    return Speeds(data["selftest"], {name: Speed(**found) for name, found in (data["algorithms"] or {}).items()})


def slowness(speeds: Speeds) -> float:
    """This machine's time for the fixed computation, as a multiple of the reference machine's. Half a second."""
    return selftest() / speeds.selftest


def selftest() -> float:
    """CPU seconds of a fixed computation that is like an update: matrix products among many small operations."""
    import numpy as np  # late: nothing else in the workflow needs it
    from threadpoolctl import threadpool_limits

    rng = np.random.default_rng(0)
    batch = rng.standard_normal((32, 1024), dtype=np.float32)
    weights = rng.standard_normal((1024, 128), dtype=np.float32)
    hidden, gradient = np.empty((32, 128), np.float32), np.empty_like(weights)  # no allocation is timed
    times = []
    with threadpool_limits(1):
        for _ in range(20):
            start = time.process_time()
            for _ in range(40):
                np.matmul(batch, weights, out=hidden)
                np.maximum(hidden, 0, out=hidden)
                np.matmul(batch.T, hidden, out=gradient)
                np.multiply(gradient, np.float32(1e-9), out=gradient)
                np.subtract(weights, gradient, out=weights)
                for _ in range(60):
                    (hidden[0] * np.float32(0.5)).sum()
                count = dict.fromkeys(range(16), 0.0)
                for i in range(400):
                    count[i % 16] += i * 0.5
            times.append(time.process_time() - start)
    return quartile(times)


def quartile(times: list[float]) -> float:
    """What a quarter of the times stay below: other work on a machine only ever adds to them."""
    return sorted(times)[len(times) // 4]
