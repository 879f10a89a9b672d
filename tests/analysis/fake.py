"""Tiny fake runs, written with pyarrow to the schemas that training promises."""

from __future__ import annotations

import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

METRICS = ("evaluation_return", "training_return_100")
SPREAD = ("td_error[q10]", "td_error[q50]", "td_error[q99]")  # all alike: write_run gives every metric one curve


def write_run(
    runs: Path,
    run: str,
    frames: np.ndarray,
    values: np.ndarray,
    status: str = "finished",
    metrics: tuple[str, ...] = METRICS,
    count: int = 10,
) -> None:
    """summary.parquet and run.json of one run; every metric gets the same values."""
    folder = runs / run
    folder.mkdir(parents=True, exist_ok=True)
    about = {
        "schema_version": 1, "table": "summary", "run": run, "spec": {}, "digest": "0" * 12,
        "fingerprint": "f",
        "versions": {"torch": "2.13.0"}, "status": status, "frames": int(frames[-1]),
    }  # fmt: skip
    table = pa.table(
        {
            "metric": pa.array([m for m in metrics for _ in frames]).dictionary_encode(),
            "frame": pa.array(np.tile(frames, len(metrics)), pa.int64()),
            "mean": pa.array(np.tile(values, len(metrics)), pa.float64()),
            "count": pa.array([count] * len(frames) * len(metrics), pa.int64()),
        }
    ).replace_schema_metadata({"paper_arcade": json.dumps(about)})
    pq.write_table(table, folder / "summary.parquet", compression="zstd")
    info = about | {
        "seconds": 61.0, "frames_per_second": 1234.5, "host": "node<1>", "device": "cpu", "slurm_job": None,
        "resumes": 1, "updates": int(frames[-1] // 4),
    }  # fmt: skip
    (folder / "run.json").write_text(json.dumps(info))
    clocks(folder, frames)
    seal(folder)


def clocks(folder: Path, frames: np.ndarray, seconds: float = 61.0, every: int = 4) -> None:
    """learning.parquet and timing.parquet of a run that makes an update every so many frames, at an even speed."""
    metric = pa.array(["loss"] * len(frames)).dictionary_encode()
    update, spent = pa.array(frames // every, pa.int64()), seconds * frames / frames[-1]
    learning = {"frame": frames, "update": update, "metric": metric, "value": np.zeros(len(frames))}
    timing = {"frame": frames, "seconds": spent, "frames_per_second": np.full(len(frames), frames[-1] / seconds)}
    for name, columns in (("learning", learning), ("timing", timing)):
        pq.write_table(pa.table(columns), folder / f"{name}.parquet")


def seal(folder: Path) -> None:
    """The manifest that training writes last."""
    sums = {path.name: {"sha256": sha256(path.read_bytes()).hexdigest()} for path in folder.iterdir()}
    body = {"files": {name: known for name, known in sums.items() if name != "manifest.json"}}
    whole = body | {"seal": sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()}
    (folder / "manifest.json").write_text(json.dumps(whole))


def curve(final: float, points: int = 20, seed: int = 0, noise: float = 0.05, budget: int = 60_000) -> tuple:
    """frames [T] and a saturating noisy curve [T] that ends near `final`."""
    frames = np.linspace(budget / points, budget, points).astype(np.int64)
    rng = np.random.default_rng(seed)
    rise = 1 - np.exp(-3 * frames / budget)
    return frames, final * rise + noise * abs(final) * rng.normal(size=points)


def entry(run: str, variant: str, game: str, seed: int, vary: dict[str, Any] | None = None) -> dict[str, Any]:
    """An experiment's row about one run."""
    return {"run": run, "sealed": run, "variant": variant, "game": game, "seed": seed, "vary": vary or {}}


def run_name(name: str, variant: int, game: str, seed: int, setting: int = 0) -> str:
    """The run of the variant-th variant and setting-th `vary` of a fake experiment."""
    return f"a{variant}.{game.replace('/', '-')}.s{seed}.{crc32(name.encode()):08x}{variant:02x}{setting:02x}"


def experiment(
    folder: Path,
    finals: dict[str, float],
    games: tuple[str, ...] = ("minatar/breakout",),
    seeds: int = 3,
    name: str = "breakout",
    vary: tuple[dict[str, Any], ...] = ({},),
    effect: Callable[[dict[str, Any]], float] = lambda vary: 1.0,
    skip: tuple[str, ...] = (),
    diverged: tuple[str, ...] = (),
    scale: str = "reduced",
    spread: bool = False,
) -> Path:
    """Runs of every variant x game x vary x seed under folder/runs and the experiment's JSON; returns its
    path.

    `skip` and `diverged` name runs that are left out or end early; `spread`: percentiles in place of scores.
    """
    entries = []
    for v, (variant, final) in enumerate(finals.items()):
        for g, game in enumerate(games):
            for k, setting in enumerate(vary):
                for seed in range(seeds):
                    run = run_name(name, v, game, seed, k)
                    entries.append(entry(run, variant, game, seed, setting))
                    if run in skip:
                        continue
                    frames, values = curve(final * effect(setting), seed=1000 * v + 100 * g + 10 * k + seed)
                    if run in diverged:
                        frames, values = frames[:8], values[:8]
                    status = "diverged" if run in diverged else "finished"
                    write_run(folder / "runs", run, frames, values, status, SPREAD if spread else METRICS)
    path = folder / "experiments" / f"demo.{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        json.dumps(
            {
                "paper": "demo", "experiment": name, "scale": scale, "budget_frames": 60_000,
                "paper_frames": 5_000_000, "reduced": "60k frames and three seeds in place of 5M and thirty",
                "cuts": [800, 10_000], "metrics": None, "runs": entries,
            }
        )
    )  # fmt: skip
    return path
