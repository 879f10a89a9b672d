"""Scores as the runs of a paper would leave them at its own scale, made up: how figures are laid out shows with the
paper's games, variants, settings and names, and without any training.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable
from pathlib import Path
from zlib import crc32

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from analysis import clocks, dreams, metrics
from analysis.load import METADATA, SCORES, Scores
from analysis.normalise import short
from analysis.reference import Reference
from analysis.spec.claims import Greater, Uncorrelated
from analysis.spec.figures import Distribution, Dreams, Profile, ReturnDistribution, Scaling, Scatter, Survival
from analysis.spec.items import ClaimSpec, FigureSpec, FromRuns, TableSpec
from analysis.spec.tables import Throughput
from analysis.text import canonical
from workflow.expand import Expansion

POINTS, SEEDS = 5, 2  # of a curve, and of runs of a setting: more make no figure wider
PERCENTILES = (1, 10, 50, 90, 99)
MINATAR = (0.3, 30.0)  # what scores lie between where no reference is printed
SIZE = 16  # pixels of an image's side
NONE = SCORES.empty_table().to_pandas().assign(experiment="")
SNAPSHOTS = list(itertools.product((3, 250), range(6), (-10.0, 0.0, 10.0)))  # step, action, return


def scores(
    spec: FigureSpec | TableSpec | ClaimSpec, experiments: Iterable[Expansion], reference: Reference, folder: Path
) -> Scores:
    """What a figure, table or claim reads, of every run that its experiments plan but for seeds beyond the first two.

    What a world model imagines is written to a file in `folder`.
    """
    asked, tables, about = recorded(spec), [], {}
    for each in experiments:
        about[each.name] = {key: value for key, value in each._asdict().items() if key not in ("points", "doubts")}
        frames = np.linspace(each.budget_frames / POINTS, each.budget_frames, POINTS).astype(np.int64)
        rows = [
            (point.run(game, seed).name, point.variant, game, seed, canonical(point.vary))
            for point, game, seed in itertools.product(each.points, each.games, each.seeds[:SEEDS])
        ]
        about[each.name]["planned"] = len(rows)
        runs = pd.DataFrame(rows, columns=["run", "variant", "game", "seed", "vary"])
        for metric in asked:
            values = [curve(metric, run, game, reference) for run, _, game, *_ in rows]
            table = runs.loc[runs.index.repeat(POINTS)].assign(frame=np.tile(frames, len(rows)))
            tables.append(table.assign(mean=np.concatenate(values), metric=metric, experiment=each.name))
    found = pd.concat(tables, ignore_index=True).assign(status="finished", count=10) if tables else NONE
    if not isinstance(spec, Dreams):
        return Scores(found, about, [], [])
    shown = found.run[found.variant == spec.variants[0]].iloc[0]
    return Scores(found, about, [], [dream(spec, str(shown), folder)])


def dream(spec: Dreams, run: str, folder: Path) -> Path:
    """A stretch of play in grey, with rewards up to 12.5."""
    rows = [
        {"row": name, "step": step, "reward": 0.5 * (step % 26), "discount": 0.99, "image": [step / 60] * SIZE**2}
        for name, begin in zip(dreams.NAMES, (0, 0, *[spec.context] * 3), strict=True)
        for step in range(begin, spec.steps)
    ]
    about = {"run": run, "shape": [1, SIZE, SIZE], "context": spec.context, "played": 27_000}
    path = folder / "dream.parquet"
    pq.write_table(pa.Table.from_pylist(rows).replace_schema_metadata({METADATA: json.dumps(about).encode()}), path)
    return path


def recorded(spec: FigureSpec | TableSpec | ClaimSpec) -> list[str]:
    """The metrics that a figure, table or claim looks at, and the clocks of its runs."""
    match spec:
        case Profile():
            found = [metric for panel in spec.panels for metric in panel.metrics.values()]
            found += [spec.percent_of] * (spec.percent_of is not None)
        case Scaling() | Survival():
            found = [spec.metric, f"{spec.metric}_censored"]
        case Scatter(x_metric=str()) | Uncorrelated():
            found = [spec.metric, spec.x_metric]
        case ReturnDistribution():
            found = [f"{spec.metric}[{step},{action},{value}]" for step, action, value in SNAPSHOTS]
        case Distribution():
            found = [f"{spec.metric}[q{percent}]" for percent in PERCENTILES]
        case Throughput():
            found = [spec.metric, "frame_milliseconds"]
        case Greater(b_metric=str()):
            found = [spec.metric, spec.b_metric]
        case FromRuns():
            found = [spec.metric]
        case _:
            found = [metrics.SCORES[0]]
    return list(dict.fromkeys([*found, *clocks.NAMES]))


def curve(metric: str, run: str, game: str, reference: Reference) -> np.ndarray:
    """[POINTS]: rises to what the run's name decides; a score, from a random policy's to more than a human's."""
    end = 0.2 + crc32(f"{run} {metric}".encode()) % 1000 / 800
    rise = np.linspace(0.2, 1, POINTS)
    if metric in clocks.NAMES:
        return 30 * rise * (1 + end / 10)
    if metric.endswith("_censored"):
        return np.full(POINTS, float(end > 1))
    low, high = _limits(game, reference) if metric in metrics.SCORES else (0.0, 3.0)
    return low + rise * end * (high - low)


def _limits(game: str, reference: Reference) -> tuple[float, float]:
    """The scores of a random policy and of a human."""
    if not game.startswith("atari/"):
        return MINATAR
    row = reference.scores.loc[short(game)]
    return float(row.random), float(row.human)
