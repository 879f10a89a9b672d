"""What Snakemake would do, why, and roughly what it would cost."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path
from statistics import median
from typing import NamedTuple

from workflow.fingerprint import changed
from workflow import runs, text
from workflow.config import flatten
from workflow.expand import Run
from workflow.pipeline import RUN_FILES, Pipeline, read_index
from workflow.strict_yaml import ConfigError

_FALLBACK_BYTES = 2e6  # of a run of which nothing like it is finished


class Job(NamedTuple):
    rule: str
    wildcards: dict[str, str]
    reason: str


def snakemake_command(pipeline: Pipeline, targets: list[str], *options: str) -> list[str]:
    """Snakemake here, with the local profile. `--config` comes last: it takes all words up to an option."""
    profile = pipeline.root / "workflow" / "profiles" / "local"
    command = [sys.executable, "-m", "snakemake", *targets, "--snakefile", str(pipeline.root / "Snakefile")]
    command += ["--profile", str(profile), "--nocolor", *options]
    if pipeline.project.overrides:
        command += ["--config", *(f"{k}={json.dumps(v)}" for k, v in pipeline.project.overrides.items())]
    return command


def snakemake_environment(pipeline: Pipeline) -> dict[str, str]:
    """What Snakemake and its jobs write is UTF-8, which is read here, whatever the terminal can show."""
    fixed = {"PYTHONPATH": str(pipeline.root), "PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1", "PYTHONIOENCODING": "utf-8"}
    return os.environ | fixed


def dry_run(pipeline: Pipeline, targets: list[str]) -> list[Job]:
    """The jobs that Snakemake would run, with its reasons. ConfigError with its words if it refuses."""
    command = snakemake_command(pipeline, targets, "--dry-run", "--quiet", "host")
    environment = snakemake_environment(pipeline)
    done = subprocess.run(
        command, capture_output=True, encoding="utf-8", errors="replace", env=environment, check=False
    )
    if done.returncode:
        lines = (done.stdout + done.stderr).splitlines()
        noise = ("Using profile ", "Assuming unrestricted shared", "Building DAG of jobs")
        raise ConfigError("\n".join(line for line in lines if not line.startswith(noise)).strip())
    return parse(done.stdout + done.stderr)


def parse(log: str) -> list[Job]:
    """The jobs in the output of a dry run."""
    jobs = []
    for block in re.split(r"^(?:local)?rule ", log, flags=re.MULTILINE)[1:]:
        rule = block.partition(":")[0]
        fields = dict(re.findall(r"^    (\w+): (.*)$", block, flags=re.MULTILINE))
        wildcards = dict(part.split("=", 1) for part in fields.get("wildcards", "").split(", ") if "=" in part)
        jobs.append(Job(rule, wildcards, fields.get("reason", "")))
    return jobs


def why(pipeline: Pipeline, run: Run, reason: str, former: dict[tuple[str, ...], str]) -> str:
    """Why a run would train: new, changed spec (where), changed code (which modules), …"""
    results = Path(pipeline.results)
    folder = results / "runs" / run.name
    if not (folder / "run.json").exists():
        key = (run.point.variant, run.game, str(run.seed))
        old = runs.read(results / "runs" / former[key]) if key in former and former[key] != run.name else None
        if old is None:
            return "new"
        spec = dict(flatten(json.loads(run.spec)))
        keys = runs.differing([old.spec, spec])
        return f"changed spec ({', '.join(keys[:4])}{', …' if len(keys) > 4 else ''})"
    if "results/code/" in reason or ".fp" in reason:
        before = _code_before(pipeline, folder)
        after = Path(pipeline.run_code(run)).read_text(encoding="utf-8")
        modules = changed(before, after) if before is not None else []
        return "changed code" + (f" ({', '.join(modules)})" if modules else "")
    missing = [name for name in RUN_FILES if not (folder / name).exists()]
    return f"incomplete (no {', '.join(missing)})" if missing else reason


def _code_before(pipeline: Pipeline, folder: Path) -> str | None:
    """The fingerprint text that a finished run was made with; run.json holds its hash."""
    run = runs.read(folder)
    path = Path(pipeline.results) / "code" / "seen" / f"{run.facts.get('fingerprint') if run else None}.fp"
    return path.read_text(encoding="utf-8") if path.exists() else None


def plan(pipeline: Pipeline, targets: list[str]) -> str:
    """The whole account, as text."""
    jobs = dry_run(pipeline, targets)
    if not jobs:
        return "nothing to do: everything is up to date"
    results = Path(pipeline.results)
    former: dict[str, dict[tuple[str, ...], str]] = defaultdict(dict)
    for name, paper, experiment, variant, _, game, seed, scale in read_index(results / "index.csv"):
        if scale == pipeline.config.scale and (results / "runs" / name / "run.json").exists():
            former[f"{paper}.{experiment}"][variant, game, seed] = name
    asked = _experiments(pipeline)
    training = [(pipeline.papers.run(job.wildcards["run"]), job.reason) for job in jobs if job.rule == "train"]
    reasons: Counter[str] = Counter()
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for run, reason in training:
        reasons[why(pipeline, run, reason, former[asked.get(run.name, "")])] += 1
        counts[run.point.algorithm][run.game] += 1
    lines = [f"{len(training)} training runs"] if training else ["no training runs"]
    if training:
        lines += [f"  {n} × {text_}" for text_, n in sorted(reasons.items(), key=lambda item: (-item[1], item[0]))]
        lines += ["", _counts(counts), "", *_cost(pipeline, [run for run, _ in training])]
    rest = Counter(job.rule for job in jobs if job.rule != "train" and job.rule not in _names(pipeline))
    if rest:
        lines += ["", "and " + ", ".join(f"{n} {rule}" for rule, n in sorted(rest.items()))]
        for job in jobs:
            if job.rule in ("figure", "table") and ".fp" in job.reason:
                lines.append(f"  {job.rule} {job.wildcards.get('paper')}/{job.wildcards.get('id')}: changed code")
    return "\n".join(lines)


def _names(pipeline: Pipeline) -> set[str]:
    papers = pipeline.project.paper_names
    return {"all", *papers, *(f"{name}_figures" for name in papers)}


def _experiments(pipeline: Pipeline) -> dict[str, str]:
    """Run -> an experiment that asks for it, among the papers read so far."""
    names = [f"{paper}.{key}" for paper, found in pipeline.papers.expanded.items() for key in found]
    return {run: name for name in names for run in pipeline.papers.runs(name)}


def _counts(counts: dict[str, Counter[str]]) -> str:
    games = sorted({game for row in counts.values() for game in row})
    if len(games) > 6:
        rows = [[name, len(row), sum(row.values())] for name, row in sorted(counts.items())]
        return text.table(["algorithm", "games", "runs"], rows, right=("games", "runs"))
    rows = [[name, *(row[game] or None for game in games), sum(row.values())] for name, row in sorted(counts.items())]
    return text.table(["algorithm", *games, "runs"], rows, right=(*games, "runs"))


def _cost(pipeline: Pipeline, planned: list[Run]) -> list[str]:
    """Core-hours, GPU-hours, disk: by finished runs of the same algorithm, else by its cluster table."""
    results = Path(pipeline.results)
    algorithm_of = {row[0]: row[4] for row in read_index(results / "index.csv")}
    speeds: dict[str, list[float]] = defaultdict(list)
    sizes: dict[str, list[float]] = defaultdict(list)
    for done in runs.finished(results):
        name = algorithm_of.get(done.name, "")
        if speed := done.facts.get("frames_per_second"):
            speeds[name].append(speed)
        files = (results / "runs" / done.name).iterdir()
        sizes[name].append(sum(file.stat().st_size for file in files) / max(1, done.facts.get("frames") or 1))
    core = gpu = size = 0.0
    measured = True
    for run in planned:
        budget, name = json.loads(run.spec)["budget_frames"], run.point.algorithm
        if speeds[name]:
            hours = budget / median(speeds[name]) / 3600
            size += budget * median(sizes[name])
        else:
            hours, measured = run.point.cluster.runtime_minutes / 60, False
            size += _FALLBACK_BYTES
        core += hours * run.point.cluster.cpus
        gpu += hours * pipeline.gpus(run)
    basis = (
        "by the speed of finished runs"
        if measured
        else "at most, by the time limits in `cluster:` where no run is finished"
    )
    return [f"about {core:.1f} core-hours, {gpu:.1f} GPU-hours and {text.size(size)} of results ({basis})"]
