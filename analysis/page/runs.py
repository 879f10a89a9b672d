"""The runs of a page: a row each, with what it is, how it went, and where its log lies."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyarrow.compute as pc

from analysis.load import read_parquet, read_sealed
from analysis.page.cost import cores
from analysis.text import number

RETURNS = ("evaluation_return", "training_return_100", "training_return")  # first one found is "last return"
STALE_SECONDS = 60.0  # without a sign of life, of a run that gives one every two seconds


def rows(experiments: Iterable[Mapping[str, Any]], store: Path, page: Path) -> list[dict[str, Any]]:
    """One row per run, sorted by variant, game, seed. `page`: the folder from which links lead.

    A run that left no result is 'missing' or 'failed', or what its last sign of life says: 'running', 'preempted',
    'lost'.
    """
    found: dict[str, dict[str, Any]] = {}
    for about in experiments:
        name = f"{about['paper']}.{about['experiment']}"
        for entry in about["runs"]:
            row = found.get(entry["run"]) or found.setdefault(entry["run"], _row(entry, store, page))
            row["asked"].append((name, entry["variant"]))
            if entry["variant"] not in row["variants"]:
                row["variants"].append(entry["variant"])
    return sorted(found.values(), key=lambda r: (r["variants"][0], r["game"], r["vary"], r["seed"], r["run"]))


def _row(entry: Mapping[str, Any], store: Path, page: Path) -> dict[str, Any]:
    folder = store / entry["sealed"]
    finished = (folder / "manifest.json").exists()
    info = json.loads(read_sealed(folder, "run.json")) if finished else {}
    last = _last_return(folder / "summary.parquet") if finished else None
    speed, spec = info.get("frames_per_second"), info.get("spec") or {}
    log = store.parent / "logs" / "train" / f"{entry['run']}.log"
    vary = entry.get("vary") or {}
    return {
        "run": entry["run"],
        "variants": [],
        "asked": [],
        "game": entry["game"],
        "seed": entry["seed"],
        "vary": ", ".join(f"{key}={value}" for key, value in sorted(vary.items())),
        "status": str(info.get("status", "finished")) if finished else _unfinished(store.parent, entry["run"], log),
        "log": _link(log, page),
        "frames": info.get("frames"),
        "last": last,
        "last_text": "–" if last is None else number(last),
        "speed": speed,
        "speed_text": "–" if speed is None or not math.isfinite(speed) else f"{speed:,.0f}",
        "seconds": info.get("seconds"),
        "device": str(info.get("device", "")),
        "host": str(info.get("host", "")),
        "cores": cores(spec),
        "gpu": spec.get("device") == "cuda",
        "resumes": info.get("resumes"),
        "versions": info.get("versions") or {},
        "spec": spec,
    }


def _unfinished(results: Path, run: str, log: Path) -> str:
    """What is known of a run that left no result."""
    try:
        beat = json.loads((results / "work" / run / "heartbeat.json").read_text(encoding="utf-8"))
        state = str(beat["state"])
        silent = time.time() - float(beat["time"]) > STALE_SECONDS
    except (OSError, ValueError, KeyError, TypeError):
        made = (results / "runs" / run / "run.json").exists()  # by other code: the log is of that
        return "failed" if log.is_file() and log.stat().st_size and not made else "missing"
    return "lost" if silent and state in ("running", "evaluating") else state


def _link(path: Path, page: Path) -> str:
    """A relative address of a file, '' where there is none."""
    return quote(Path(os.path.relpath(path, page)).as_posix()) if path.is_file() else ""


def _last_return(path: Path) -> float | None:
    table = read_parquet(path, ("metric", "frame", "mean"), read_sealed(path.parent, path.name))
    table = table.filter(pc.is_finite(table["mean"]))
    for metric in RETURNS:
        mine = table.filter(pc.equal(table["metric"], metric))
        if len(mine):
            return float(mine["mean"][int(mine["frame"].to_numpy().argmax())].as_py())
    return None


def statuses(found: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Number of runs by status, finished first; always has 'finished' and 'all'."""
    names = sorted({row["status"] for row in found} - {"finished"})
    counts = {name: sum(row["status"] == name for row in found) for name in ["finished", *names]}
    return counts | {"all": len(found)}


def done(found: Iterable[Mapping[str, Any]]) -> dict[str, tuple[int, int]]:
    """Experiment -> how many of its runs left a result, and how many it has."""
    counts: dict[str, tuple[int, int]] = {}
    for row in found:
        for name in {experiment for experiment, _ in row["asked"]}:
            made, planned = counts.get(name, (0, 0))
            counts[name] = made + (row["frames"] is not None), planned + 1
    return counts


def videos(found: Iterable[Mapping[str, Any]], results: Path, page: Path, most: int) -> list[dict[str, Any]]:
    """The films that `arcade video` made of these runs; those of at most `most` bytes are to be embedded.

    `path`: of the picture, None for one that is only linked; `href`: where it lies; MP4s are only linked.
    """
    shown = []
    for row in found:
        for suffix in ("gif", "mp4"):
            path = results / "videos" / f"{row['run']}.{suffix}"
            if path.is_file():
                small = suffix == "gif" and path.stat().st_size <= most
                shown.append({"row": row, "href": _link(path, page), "path": path if small else None, "kind": suffix})
    return shown
