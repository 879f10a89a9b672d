"""How far every run is, from the files that runs leave: works during, after and without Snakemake."""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from pathlib import Path
from typing import Any

from agents.run.identity import is_dead
from workflow import catalogue, text
from workflow.context import Context

BEGINNING_SECONDS = 10.0  # until a process that writes a log has its lease
STALE_SECONDS = 60.0  # runs beat every two seconds; an evaluation or a slow disk may take longer
ORDER = ("lost", "failed", "running", "evaluating", "preempted", "diverged", "finished", "waiting")


def heartbeats(results: Path, now: float | None = None) -> dict[str, dict[str, Any]]:
    """Run -> its last sign of life; `state` becomes "lost" if it should be alive and is not."""
    now = time.time() if now is None else now
    found = {}
    for path in sorted((results / "work").glob("*/heartbeat.json")):
        try:
            beat = json.loads(path.read_text(encoding="utf-8"))
            if beat["state"] in ("running", "evaluating") and _silent(beat, now):
                beat["state"] = "lost"
            found[path.parent.name] = beat
        except (OSError, ValueError, KeyError, TypeError):
            continue  # being replaced, or left half by a full disk
    return found


def _silent(beat: dict[str, Any], now: float) -> bool:
    return now - beat["time"] > STALE_SECONDS or is_dead(beat) is True


def states(context: Context, papers: list[str]) -> list[dict[str, Any]]:
    """One row per run that the papers ask for: run, variant, experiment, state and what is known of it."""
    results = Path(context.results)
    alive = heartbeats(results)
    kept = {entry.run: entry.score for entry in catalogue.read(results).entries}
    rows: dict[str, dict[str, Any]] = {}
    for paper in papers:
        for experiment in context.papers[paper].values():
            labels = experiment.labels()
            for name, run in context.papers.runs(experiment.name).items():
                if name in rows:
                    continue
                row: dict[str, Any] = {
                    "run": name,
                    "experiment": experiment.name,
                    "variant": labels[run.point.variant, run.point.template],
                }
                if name in alive:
                    row |= alive[name]
                elif context.finished.problem(run) is None:
                    facts = json.loads((context.finished.folder(run) / "run.json").read_bytes())
                    row |= {"state": facts.get("status", "finished"), "frame": facts.get("frames")}
                    row |= {"frames_per_second": facts.get("frames_per_second"), "host": facts.get("host")}
                    row["last_return"] = kept.get(name)
                else:
                    row["state"] = "waiting"
                if row["state"] in ("lost", "waiting") and (log := _log_of_failure(results, name)):
                    row |= {"state": "failed", "log": str(log)}
                row["budget_frames"] = experiment.budget_frames
                rows[name] = row
    return sorted(
        rows.values(), key=lambda r: (ORDER.index(r["state"]) if r["state"] in ORDER else -1, r["experiment"])
    )


def _log_of_failure(results: Path, run: str, now: float | None = None) -> Path | None:
    """The log of an attempt that ended by itself without a result.

    A process that fails lets go of its lease; one that is killed leaves it, and its run is lost, not failed. So is one
    that was told to stop: that leaves a sign of life which says so. Where a result is shown and nothing is at work, the
    log is of the attempt that made it, and the run waits since other code or another library would make it now.
    """
    now, logs = time.time() if now is None else now, results / "logs"
    paths = [logs / "train" / f"{run}.log", *logs.glob(f"slurm/rule_train/{run}*/*.log")]
    ages = {path: now - path.stat().st_mtime for path in paths if path.exists() and path.stat().st_size}
    work, made = results / "work" / run, (results / "runs" / run / "run.json").exists()
    if (work / "lease.json").exists() or (made and not work.exists()):
        return None
    if not ages or min(ages.values()) < BEGINNING_SECONDS:
        return None
    return min(ages, key=ages.__getitem__)


def _last_line(log: str) -> str:
    """What a log ends with."""
    with open(log, "rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - 4096))
        lines = file.read().decode(errors="replace").strip().splitlines()
    return lines[-1].strip() if lines else ""


def render(rows: list[dict[str, Any]], limit: int = 40, width: int | None = None) -> str:
    """Counts, the table (runs that wait or are done only as far as they fit), and the lost runs by name.

    `width`: characters of the terminal, None for any.
    """
    counts = Counter(row["state"] for row in rows)
    total = " · ".join(f"{counts[state]} {state}" for state in ORDER if counts[state])
    lines = [f"{text.count(len(rows), 'run')}: {total}" if rows else "no runs are asked for", ""]
    head = ["run", "variant", "state", "frames", "frames/s", "ETA", "last return", "host", "job"]
    body = [
        [
            row["run"],
            row["variant"],
            row["state"],
            f"{text.frames(row['frame'])}/{text.frames(row['budget_frames'])}"
            if row.get("frame") is not None
            else None,
            f"{row['frames_per_second']:.0f}" if row.get("frames_per_second") else None,
            text.duration(row.get("eta_seconds")) if row["state"] in ("running", "evaluating") else None,
            f"{row['last_return']:.1f}" if row.get("last_return") is not None else None,
            row.get("host"),
            row.get("slurm_job"),
        ]
        for row in rows[:limit]
    ]
    if body:
        lines.append(text.table(head, body, right=("frames", "frames/s", "ETA", "last return"), width=width))
    if len(rows) > limit:
        lines.append(f"… and {len(rows) - limit} more ({rows[limit]['state']} and after); --all shows them")
    if rows and counts["waiting"] == len(rows):
        lines += ["", "none has begun: `run` trains them"]
    if lost := [row["run"] for row in rows if row["state"] == "lost"]:
        lines += [
            "",
            f"lost (no sign of life for {STALE_SECONDS:.0f} s, or their process is gone): {', '.join(lost)}",
        ]
        lines.append("they resume from their last checkpoint when snakemake is started again")
    if failed := [row for row in rows if row["state"] == "failed" and "log" in row]:
        lines += ["", "failed, and tried again when snakemake is started again:"]
        lines += [f"  {row['log']}: {_last_line(row['log'])}" for row in failed[:limit]]
    return "\n".join(lines)
