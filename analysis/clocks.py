"""Clocks of a run beside its frames: updates, training episodes and hours, and curves that have one of them as x.

A scores file holds each of them as a metric of the run, counted from its start, at the frames of its other metrics.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from analysis.errors import NoData, UserError
from analysis.metrics import meaning
from analysis.normalise import CLOCKS
from analysis.spec.items import Curved

NAMES = ("updates", "episodes", "hours", "frame_milliseconds")
UNITS = (("hours", 1.0), ("minutes", 60.0), ("seconds", 3600.0))  # of the wall clock, and how many make an hour


class X(NamedTuple):
    """What a figure's x axis counts."""

    name: str  # column of the figure's data
    text: str  # beside the axis, with its unit
    unit: str | None  # in captions; None: what the experiment's frames count
    notes: tuple[str, ...] = ()  # for the caption


def readings(
    summary: pa.Table, learning: pa.Table, timing: pa.Table, facts: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    """Rows of a summary (metric, frame, mean, count): each clock at every frame at which the run has a number, and the
    time of a frame, a median, at its end.

    Updates and hours lie on straight lines between the frames where they were noted, from 0 to the run's end as `facts`
    (its run.json) has it. Episodes are those that had ended at the last edge of a bin. A frame at which a run stood
    still, to evaluate, has the hours of its arrival. Wall-clock time includes evaluations, and of a run that was
    resumed what it took to get to each checkpoint.
    """
    frames = np.unique(summary["frame"].to_numpy())
    ends = summary.filter(pc.equal(summary["metric"], "training_return"))
    noted = {
        "updates": (learning["frame"].to_numpy(), learning["update"].to_numpy(), facts.get("updates")),
        "hours": (timing["frame"].to_numpy(), timing["seconds"].to_numpy() / 3600, facts.get("seconds", 0.0) / 3600),
    }
    for name, (at, count, last) in noted.items():
        if last:
            known, first = np.unique(np.r_[0, at, facts["frames"]], return_index=True)
            values = np.interp(frames, known, np.r_[0.0, count, last][first])
            yield from _rows(name, frames, values)
    if len(ends):
        order = np.argsort(ends["frame"].to_numpy())
        ended = np.r_[0, np.cumsum(ends["count"].to_numpy()[order])]
        yield from _rows("episodes", frames, ended[np.searchsorted(ends["frame"].to_numpy()[order], frames, "right")])
    speeds = timing["frames_per_second"].to_numpy()
    if (speeds > 0).any():  # 0 where it stood still since the last row
        yield from _rows(
            "frame_milliseconds", np.array([facts["frames"]]), np.array([1000 / np.median(speeds[speeds > 0])])
        )


def _rows(name: str, frames: np.ndarray, values: np.ndarray) -> Iterator[dict[str, Any]]:
    for frame, value in zip(frames, values, strict=True):
        yield {"metric": name, "frame": int(frame), "mean": float(value), "count": 1}


def across(rows: pd.DataFrame, spec: Curved, everything: pd.DataFrame, clock: str) -> tuple[pd.DataFrame, X]:
    """The rows of a figure with what its x axis counts in place of frames, each run by its own clock.

    `everything`: the rows of all metrics. `clock`: what the experiments' frames count. The wall clock is shown in the
    largest unit of which there is one. UserError where frames count something else, NoData where no run has the clock.
    """
    if spec.x == "frames":
        return rows, X("frame", CLOCKS[clock], None)
    if clock != "frames":
        raise UserError(f"{spec.id}: x is {spec.x!r}, but the runs of {', '.join(spec.experiments)} count {clock}")
    mine = everything[(everything.metric == spec.x) & everything.run.isin(rows.run)]
    times = mine.drop_duplicates(["run", "frame"])[["run", "frame", "mean"]].rename(columns={"mean": "x"})
    if times.empty:
        raise NoData(f"no run in {', '.join(spec.experiments)} has its {spec.x}")
    unit, factor = spec.x, 1.0
    if spec.x == "hours":
        unit, factor = next((u for u in UNITS if times.x.max() * u[1] >= 1), UNITS[-1])
    # a run without a value keeps its empty row, to be counted
    joined = rows.merge(times, on=["run", "frame"], how="left")
    joined = joined[joined.x.notna() | joined["mean"].isna()]
    text = f"Wall-clock time ({unit})" if spec.x == "hours" else CLOCKS[spec.x]
    return joined.assign(frame=joined.x.fillna(0.0) * factor).drop(columns="x"), X(
        unit, text, unit, (f"x: {spec.x} {meaning(spec.x)}.",)
    )


Took = Mapping[str, tuple[np.ndarray, np.ndarray]]  # run -> frames, and the hours that it took to each of them


def took(everything: pd.DataFrame) -> Took:
    """The wall clock of each run that has it. `everything`: the rows of all metrics."""
    mine = everything[everything.metric == "hours"].drop_duplicates(["run", "frame"]).sort_values("frame")
    return {str(run): (rows.frame.to_numpy(), rows["mean"].to_numpy()) for run, rows in mine.groupby("run", sort=False)}


def hours(known: Took, runs: Iterable[str], frames: np.ndarray) -> np.ndarray | None:
    """Mean hours that runs took to frames [T], each by its own clock; None where one of them has none."""
    each = [known.get(run) for run in runs]
    if not each or None in each:
        return None
    return np.mean([np.interp(frames, *one) for one in each], axis=0)
