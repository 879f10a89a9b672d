"""What Snakemake would do, why, and roughly what it would cost."""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
import traceback
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, NamedTuple, NoReturn

from agents.run.attempts import saved
from agents.run.code import changed
from agents.run.lease import living
from agents.run.store import CODE
from workflow import cost, index, machine, runs, text
from workflow.context import Context
from workflow.environment import NO_TRAINING, snakemake_command, snakemake_environment
from workflow.expand import Run
from workflow.finished import digest
from workflow.overlay import flatten
from workflow.strict_yaml import ConfigError
from workflow.targets import names, runs_behind


class Job(NamedTuple):
    rule: str
    wildcards: dict[str, str]
    reason: str


def dry_run(context: Context, targets: list[str], trains: bool) -> Callable[[], list[Job]]:
    """Ask Snakemake, in a process beside this one, what it would draw; -> what waits for its answer.

    Without the trainings (not `trains`) it takes runs for finished whose marks are there, and is asked in seconds: a
    graph of thousands of trainings takes it longer than all else. What waits raises ConfigError with Snakemake's words
    if it refuses.
    """
    wanted = [target for target in targets or ["all"] if not target.startswith(f"{context.results}/sealed/")]
    if not wanted:
        return list
    words = snakemake_command(context, wanted, "--dry-run", "--quiet", "host")[3:]
    environment = snakemake_environment(context) | ({} if trains else {NO_TRAINING: "yes"})
    file = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        _be_snakemake(context, words, environment, file)

    def jobs() -> list[Job]:
        status = os.waitpid(child, 0)[1]
        with file:
            file.seek(0)
            said = file.read()
        if status:
            noise = ("Using profile ", "Assuming unrestricted shared", "Building DAG of jobs")
            raise ConfigError("\n".join(line for line in said.splitlines() if not line.startswith(noise)).strip())
        return [job for job in parse(said) if job.rule not in ("train", *names(context))]

    return jobs


def _be_snakemake(context: Context, words: list[str], environment: dict[str, str], output: IO[str]) -> NoReturn:
    """Snakemake in a fork of this process: what the configuration expands to, which takes a while, is known there."""
    code = 1
    try:
        context.hand_on()
        os.environ.clear()
        os.environ.update(environment)
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
        sys.stdout = sys.stderr = open(1, "w", encoding="utf-8", errors="replace", buffering=1, closefd=False)
        sys.argv = ["snakemake", *words]
        from snakemake.cli import main

        main(words)
        code = 0
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code)
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(code)


def parse(log: str) -> list[Job]:
    """The jobs in the output of a dry run."""
    jobs = []
    for block in re.split(r"^(?:local)?rule ", log, flags=re.MULTILINE)[1:]:
        rule = block.partition(":")[0]
        fields = dict(re.findall(r"^    (\w+): (.*)$", block, flags=re.MULTILINE))
        wildcards = dict(part.split("=", 1) for part in fields.get("wildcards", "").split(", ") if "=" in part)
        jobs.append(Job(rule, wildcards, fields.get("reason", "")))
    return jobs


def why(context: Context, run: Run, former: str | None, begun: bool) -> str:
    """Why a run that is not finished would train: new, changed spec (where), changed code (which modules), …

    `former`: the finished run that stood in its place in the experiment. `begun`: whether it has a working folder.
    """
    results, finished = Path(context.results), context.finished
    work = results / "work" / run.name
    if begun and (owner := living(work / "lease.json")):
        return f"being trained now (by {owner}): waits for it"
    if begun and (frame := saved(work)):
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
    keys = runs.telling([old.spec, dict(flatten(json.loads(run.spec)))])
    again = [key for key in keys if key.startswith("evaluation.")]
    because = "; evaluations are made on the way, by networks that are not kept" if keys and again == keys else ""
    return f"changed spec ({', '.join(keys[:4])}{', …' if len(keys) > 4 else ''}{because})"


class Plan(NamedTuple):
    """What there is to do. `training`: run -> why; `cost` is None where nothing trains."""

    training: dict[str, tuple[Run, str]]
    hidden: int  # results that are whole, and not shown in results/runs
    drawing: list[Job]  # what is made of runs
    cost: cost.Estimate | None
    cores: int  # of this machine, which the cost is reckoned for


def plan(context: Context, targets: list[str]) -> Plan:
    """The whole account. Which runs train is asked of the sealed store, the rest of Snakemake."""
    behind, finished = runs_behind(context, targets).values(), context.finished
    for run in behind:
        finished.code(run)  # each module is read once, before the process beside this one is forked
    drawing = dry_run(context, targets, trains=False)
    training, hidden, marked = [], 0, True
    for run in behind:
        if sealed := finished.sealed(run):
            hidden += not finished.store.is_shown(sealed)
        elif not context.config.partial:
            training.append(run)
        marked &= os.path.exists(finished.mark(run)) == bool(sealed)
    rest = drawing()
    if not marked:  # a result that is damaged, or whole and without its mark: then it takes the whole graph
        rest = dry_run(context, targets, trains=True)()
    former, begun = _former(context), {folder.name for folder in Path(context.results).glob("work/*")}
    reasons = {run.name: (run, why(context, run, former.get(run.name), run.name in begun)) for run in training}
    cores = os.cpu_count() or 1
    return Plan(reasons, hidden, rest, _cost(context, training, len(rest), cores) if training else None, cores)


def render(found: Plan, results: str) -> str:
    """The account as text."""
    if not (found.training or found.drawing or found.hidden):
        return "nothing to do: everything is up to date"
    training = [run for run, _ in found.training.values()]
    lines = [text.count(len(training), "training run")] if training else ["no training runs"]
    if found.hidden:
        lines.append(f"  {found.hidden} finished before are linked into {results}/runs again (seconds)")
    if found.cost:
        lines += [*_reasons(found), "", _counts(training), *_actors(training), "", *_costs(found.cost, found.cores)]
    if found.drawing:
        counts = Counter(job.rule for job in found.drawing)
        lines += ["", "and " + ", ".join(f"{n} {several(rule, n)}" for rule, n in sorted(counts.items()))]
        for job in found.drawing:
            if job.rule in ("figure", "table") and "code" in job.reason:
                lines.append(f"  {job.rule} {job.wildcards.get('paper')}/{job.wildcards.get('id')}: changed code")
    return "\n".join(lines)


def several(rule: str, count: int) -> str:
    """What `count` jobs of a rule make, in words."""
    return {"claims": "list of claims" if count == 1 else "lists of claims"}.get(rule, rule + "s" * (count != 1))


def facts(found: Plan) -> dict[str, Any]:
    """The account for machines."""
    return {
        "training": [
            {"run": name, "algorithm": run.point.algorithm, "variant": run.point.variant, "game": run.game,
             "seed": run.seed, "reason": reason}
            for name, (run, reason) in found.training.items()
        ],
        "linked_again": found.hidden,
        "drawing": [job._asdict() for job in found.drawing],
        "cost": found.cost._asdict() if found.cost else None,
        "cores": found.cores,
    }  # fmt: skip


def _reasons(found: Plan) -> list[str]:
    """How many runs train for which reason, the most frequent first."""
    reasons = Counter(reason for _, reason in found.training.values())
    return [f"  {n} × {reason}" for reason, n in sorted(reasons.items(), key=lambda item: (-item[1], item[0]))]


def _former(context: Context) -> dict[str, str]:
    """Run -> the finished run of the same experiment, variant, game and seed, before the spec was changed."""
    results, before = Path(context.results), {}
    for row in index.read(results / "index.csv"):
        if row.scale == context.config.scale and (results / "runs" / row.run / "run.json").exists():
            before[f"{row.paper}.{row.experiment}", row.variant, row.game, row.seed] = row.run
    return {
        run.name: before[key]
        for paper, found in context.papers.expanded.items()
        for each in found
        for run in context.papers.runs(f"{paper}.{each}").values()
        if (key := (f"{paper}.{each}", run.point.variant, run.game, str(run.seed))) in before
    }


def _counts(training: list[Run]) -> str:
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for run in training:
        counts[run.point.algorithm][run.game] += 1
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
        executor, point = run.point.parsed().get("executor", {}), run.point
        if actors := executor.get("actors"):
            how = f"{executor['kind']}: {actors} actors, {point.cluster.cpus} cores a run"
            found[point.algorithm, how] = f"  {point.algorithm} acts in {how}"
    return sorted(found.values())


def _cost(context: Context, training: list[Run], others: int, cores: int) -> cost.Estimate:
    """What the trainings, and `others` that are none, will take on this machine."""
    results, machine_ = Path(context.results), machine.look()
    algorithms = {row.run: row.algorithm for row in index.read(results / "index.csv")}
    past = [
        cost.Past(algorithms.get(done.name, ""), done.facts["spec"], seconds)
        for done in runs.finished(results)
        if (seconds := done.facts.get("seconds"))
    ]
    speeds = cost.read_speeds(context.root)
    here = cost.Here(cores, cost.slowness(speeds), machine_.memory_mb, machine_.gpus)
    planned = [cost.Planned(run, saved(results / "work" / run.name) or 0) for run in training]
    return cost.estimate(planned, here, speeds, past, others)


def _costs(found: cost.Estimate, cores: int) -> list[str]:
    """Time by the clock on this machine, core-hours, GPU-hours, disk."""
    hours, gpu_hours = found.core_seconds / 3600, found.gpu_seconds / 3600
    lines = [
        f"about {text.duration(found.seconds)} by the clock on the {cores} cores of this machine; "
        f"{hours:.{1 if hours >= 1 else 2}f} core-hours, {gpu_hours:.1f} GPU-hours, {text.size(found.bytes)} of results"
    ]
    if found.bounded:
        lines.append(f"  ({found.bounded} runs by their time limits, cluster.runtime_minutes: nothing else is known)")
    return lines
