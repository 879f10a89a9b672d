"""What Snakemake would do, why, and roughly what it would cost."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path
from typing import NamedTuple

from agents.run import store as sealed
from agents.run.attempts import saved
from agents.run.code import changed
from agents.run.lease import living
from agents.run.store import CODE
from workflow import cost, machine, runs, text
from workflow.expand import Run
from workflow.finished import digest
from workflow.overlay import flatten
from workflow.pipeline import Pipeline, read_index
from workflow.strict_yaml import ConfigError


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
        values = pipeline.project.overrides.items()
        # Snakemake's own reading of a value knows no JSON escapes: letters beyond ASCII go as they are.
        command += ["--config", *(f"{k}={json.dumps(v, ensure_ascii=False)}" for k, v in values)]
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


def why(pipeline: Pipeline, run: Run, former: str | None) -> str:
    """Why a run that is not finished would train: new, changed spec (where), changed code (which modules), …

    `former`: the finished run that stood in its place in the experiment.
    """
    results, finished = Path(pipeline.results), pipeline.finished
    work = results / "work" / run.name
    if owner := living(work / "lease.json"):
        return f"being trained now (by {owner}): waits for it"
    if frame := saved(work):
        return f"resumes at {text.frames(frame)}"
    if finished.folder(run).exists():
        return f"damaged result ({finished.problem(run)})"
    if others := finished.store.codes(digest(run)):
        before = finished.store.folder(digest(run), others[0]) / CODE
        modules = changed(before.read_text(encoding="utf-8"), finished.code_text(run))
        return "changed code" + (f" ({', '.join(modules)})" if modules else "")
    old = runs.read(results / "runs" / former) if former and former != run.name else None
    if old is None:
        return "new"
    keys = runs.differing([old.spec, dict(flatten(json.loads(run.spec)))])
    again = [key for key in keys if key.startswith("evaluation.")]
    because = "; evaluations are made on the way, by networks that are not kept" if keys and again == keys else ""
    return f"changed spec ({', '.join(keys[:4])}{', …' if len(keys) > 4 else ''}{because})"


def plan(pipeline: Pipeline, targets: list[str]) -> str:
    """The whole account, as text. Which runs train is asked of the sealed store, the rest of Snakemake."""
    asked = pipeline.asked(targets)
    training = [run for run in asked.values() if pipeline.finished.problem(run) is not None]
    shown = [sealed.read(pipeline.finished.folder(run)) for run in asked.values() if not pipeline.finished.problem(run)]
    hidden = sum(not pipeline.finished.store.is_shown(each) for each in shown)
    rest = [job for job in dry_run(pipeline, targets) if job.rule != "train" and job.rule not in _names(pipeline)]
    if not (training or rest or hidden):
        return "nothing to do: everything is up to date"
    reasons: Counter[str] = Counter()
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    former = _former(pipeline)
    for run in training:
        reasons[why(pipeline, run, former.get(run.name))] += 1
        counts[run.point.algorithm][run.game] += 1
    lines = [f"{len(training)} training runs"] if training else ["no training runs"]
    if hidden:
        lines.append(f"  {hidden} finished before are linked into {pipeline.results}/runs again (seconds)")
    if training:
        lines += [f"  {n} × {text_}" for text_, n in sorted(reasons.items(), key=lambda item: (-item[1], item[0]))]
        lines += ["", _counts(counts), *_actors(training), "", *_cost(pipeline, training, len(rest))]
    if rest:
        lines += ["", "and " + ", ".join(f"{n} {rule}" for rule, n in sorted(Counter(j.rule for j in rest).items()))]
        for job in rest:
            if job.rule in ("figure", "table") and "code" in job.reason:
                lines.append(f"  {job.rule} {job.wildcards.get('paper')}/{job.wildcards.get('id')}: changed code")
    return "\n".join(lines)


def _former(pipeline: Pipeline) -> dict[str, str]:
    """Run -> the finished run of the same experiment, variant, game and seed, before the spec was changed."""
    results, before = Path(pipeline.results), {}
    for name, paper, experiment, variant, _, game, seed, scale in read_index(results / "index.csv"):
        if scale == pipeline.config.scale and (results / "runs" / name / "run.json").exists():
            before[f"{paper}.{experiment}", variant, game, seed] = name
    return {
        run.name: before[key]
        for paper, found in pipeline.papers.expanded.items()
        for each in found
        for run in pipeline.papers.runs(f"{paper}.{each}").values()
        if (key := (f"{paper}.{each}", run.point.variant, run.game, str(run.seed))) in before
    }


def _names(pipeline: Pipeline) -> set[str]:
    papers = pipeline.project.paper_names
    return {"all", *papers, *(f"{name}_figures" for name in papers)}


def _counts(counts: dict[str, Counter[str]]) -> str:
    games = sorted({game for row in counts.values() for game in row})
    if len(games) > 6:
        rows = [[name, len(row), sum(row.values())] for name, row in sorted(counts.items())]
        return text.table(["algorithm", "games", "runs"], rows, right=("games", "runs"))
    rows = [[name, *(row[game] or None for game in games), sum(row.values())] for name, row in sorted(counts.items())]
    return text.table(["algorithm", *games, "runs"], rows, right=(*games, "runs"))


def _actors(training: list[Run]) -> list[str]:
    """Which runs have actors of their own, and on how many cores."""
    found = {}
    for run in training:
        executor, point = json.loads(run.spec).get("executor", {}), run.point
        if actors := executor.get("actors"):
            how = f"{executor['kind']}: {actors} actors, {point.cluster.cpus} cores a run"
            found[point.algorithm, how] = f"  {point.algorithm} acts in {how}"
    return sorted(found.values())


def _cost(pipeline: Pipeline, training: list[Run], others: int) -> list[str]:
    """Time by the clock on this machine, core-hours, GPU-hours, disk."""
    results, machine_ = Path(pipeline.results), machine.look()
    algorithms = {row[0]: row[4] for row in read_index(results / "index.csv")}
    past = [
        cost.Past(algorithms.get(done.name, ""), done.facts["spec"], seconds)
        for done in runs.finished(results)
        if (seconds := done.facts.get("seconds"))
    ]
    speeds = cost.read_speeds(pipeline.root)
    here = cost.Here(os.cpu_count() or 1, cost.slowness(speeds), machine_.memory_mb, machine_.gpus)
    planned = [cost.Planned(run, saved(results / "work" / run.name) or 0) for run in training]
    found = cost.estimate(planned, here, speeds, past, others)
    hours, gpu_hours = found.core_seconds / 3600, found.gpu_seconds / 3600
    lines = [
        f"about {text.duration(found.seconds)} by the clock on the {here.cores} cores of this machine; "
        f"{hours:.{1 if hours >= 1 else 2}f} core-hours, {gpu_hours:.1f} GPU-hours, {text.size(found.bytes)} of results"
    ]
    if found.bounded:
        lines.append(f"  ({found.bounded} runs by their time limits, cluster.runtime_minutes: nothing else is known)")
    return lines
