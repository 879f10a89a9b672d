"""Everyday commands, on a small checkout whose work is done by a stand-in."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from snakemake.api import Workflow  # snakemake.workflow cannot be imported first
from snakemake.resources import Resources
from snakemake_interface_executor_plugins.settings import ExecMode

from agents.run.identity import identity
from tests.workflow.house import build, planned, seal, snakemake
from workflow import __main__ as program
from workflow import drawn, progress, run_table, runs, status, text
from workflow.context import Context
from workflow.environment import NO_TRAINING
from workflow.invocation import Invocation
from workflow.plan import parse, several
from workflow.snakemake_log import Log
from workflow.start import start
from workflow.strict_yaml import ConfigError
from workflow.targets import runs_behind

PAPER = "config/papers/house.yaml"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout whose work was done by `python -m workflow run`."""
    folder = build(tmp_path_factory.mktemp("commands") / "a")
    context = Context.read(folder, main=False)
    (folder / "codes").mkdir()
    for run in runs_behind(context, []).values():  # what the stand-in for training says that it ran
        (folder / "codes" / context.finished.code(run)).write_text(context.finished.code_text(run))
    done = command(folder, "run", "house")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-5].startswith("18 jobs done in ")
    return folder


def command(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "VIRTUAL_ENV": str(folder)}
    environment.pop("PYTHONPATH", None)
    return subprocess.run(
        [sys.executable, "-m", "workflow", *words],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_results_folder_may_have_any_letters(house: Path, tmp_path: Path):
    done = command(house, "plan", "house", "--config", f"results={tmp_path}/Ergebnisse für 結果")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "× new" in done.stdout


def test_run_says_when_there_is_nothing_to_do_and_where_all_is(house: Path):
    done = command(house, "run", "house")
    made = [f"figure: results/paper/figures/house/{name}.pdf" for name in ("curves", "swept", "bars")]
    said = ["nothing to do: everything is up to date", *made, "report: results/paper/report/index.html"]
    assert (done.returncode, done.stdout.splitlines()[-5:]) == (0, said)


def test_run_shows_what_failed(tmp_path: Path):
    folder = build(tmp_path / "house")
    shim = folder / "bin/python"
    shim.write_text(
        shim.read_text().replace(
            'if words[:2] == ["agents", "train"]:',
            'if words[:2] == ["agents", "train"]:\n    sys.exit("no memory left")',
            1,
        )
    )
    done = command(folder, "run", "house")
    assert done.returncode == 1
    assert "Error in rule train" in done.stdout
    assert "no memory left" in done.stdout
    assert "results/logs/snakemake.log" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_done(house: Path):
    done = command(house, "done", "house")
    assert done.returncode == 0
    names = [f"results/paper/figures/house/{name}.pdf" for name in ("curves", "swept", "bars")]
    assert done.stdout.splitlines() == [*names, "results/paper/report/index.html"]
    wrong = command(house, "done", "hause")
    assert wrong.returncode == 1
    assert "unknown paper 'hause'; did you mean 'house'?" in wrong.stderr


def test_plan_names_reasons(house: Path):
    assert command(house, "plan").stdout == "nothing to do: everything is up to date\n"
    code, paper = house / "agents/optim/spectral.py", house / PAPER
    before = code.read_text(), paper.read_text()
    code.write_text(before[0] + "\nEDITED = 1\n")
    paper.write_text(
        before[1].replace("[1e-3, 1e-2]", "[1e-3, 3e-2]").replace("DQN: {}", "DQN: {}\n      More: { agent.n_step: 3 }")
    )
    try:
        shown = command(house, "plan").stdout
    finally:
        code.write_text(before[0])
        paper.write_text(before[1])
    assert shown.splitlines()[:4] == [
        "10 training runs",
        "  4 × changed code (agents.optim.spectral)",
        "  4 × new",
        "  2 × changed spec (optimizer.lr)",
    ]
    assert ["dqn_minatar_sn", "4", "6", "10"] in [line.split() for line in shown.splitlines()]
    # ten runs of 1,000 frames, which took ten seconds each before
    assert re.search(r"about \d+[ms].* by the clock on the \d+ cores of this machine; 0\.0[1-9] core-hours", shown)
    assert "and 1 list of claims, 3 figures, 1 report, 2 scores" in shown


def damage(folder: Path) -> None:
    """A result of the first experiment whose mark does not know."""
    place = json.loads((folder / "results/paper/experiments/house.base/runs.json").read_text())["runs"][0]["sealed"]
    path = folder / "results/store" / place / "summary.parquet"
    path.chmod(0o644)
    path.write_text("damaged")


def retitle(folder: Path) -> None:
    (folder / PAPER).write_text((folder / PAPER).read_text().replace("title: Swept", "title: Swept again"))


def lose_a_mark(folder: Path) -> None:
    next((folder / "results/sealed").glob("*/*")).unlink()


def lose_scores(folder: Path) -> None:
    (folder / "results/paper/scores/house.sweep.parquet").unlink()


@pytest.mark.parametrize("change", [damage, retitle, lose_a_mark, lose_scores])
def test_plan_counts_the_jobs_that_a_dry_run_has(house: Path, tmp_path: Path, change: Callable[[Path], None]):
    """Although Snakemake is asked without the trainings."""
    folder = tmp_path / "a"
    subprocess.run(["cp", "-a", str(house), str(folder)], check=True)
    change(folder)
    counts = Counter(job.rule for job in planned(folder, "house") if job.rule != "house")
    shown = command(folder, "plan", "house").stdout.splitlines()
    trained = counts.pop("train", 0)
    first = [f"{trained} training run{'s' * (trained != 1)}" if trained else "no training runs"]
    if change is lose_a_mark:
        first.append("  1 finished before are linked into results/runs again (seconds)")
    if not counts and change is lose_scores:  # all that was made of them is there
        first = ["nothing to do: everything is up to date"]
    assert shown[: len(first)] == first
    made = ", ".join(f"{n} {several(rule, n)}" for rule, n in sorted(counts.items()))
    assert not counts or shown[-1] == f"and {made}"
    assert bool(counts) is any(line.startswith("and ") for line in shown) is (change in (damage, retitle))


def test_only_a_dry_run_looks_away_from_trainings(house: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(house)
    for name in ("PATH", "PYTHONPATH", "ACCEPT_CODE_CHANGES", "PAPER_ARCADE_RESULTS"):
        monkeypatch.setenv(name, os.environ.get(name, ""))
    monkeypatch.setenv(NO_TRAINING, "yes")
    look, work = Invocation(("house",), "local", False), Invocation(("house",), "local", True)
    for asked, trains in ((look, False), (work, True)):
        monkeypatch.setattr("workflow.start.invocation", lambda asked=asked: asked)
        assert start(str(house), {}, True, Resources()).trains is trains
    assert start(str(house), {}, False, Resources()).trains is True  # inside a job
    assert Context.read(house, {"partial": True}).trains is False


def test_plan_reports_mistakes(house: Path):
    done = command(house, "plan", "--config", "scale=smal")
    assert done.returncode == 1
    assert "unknown value 'smal'" in done.stderr
    done = command(house, "plan", "hous")
    assert done.returncode == 1
    assert done.stderr == "unknown target 'hous'; did you mean 'house'?\n"
    done = command(house, "plan", "results/nowhere.txt")
    assert done.returncode == 1
    assert "results/nowhere.txt" in done.stderr
    assert "Traceback" not in done.stderr


def test_runs_shows_what_differs(house: Path):
    head, _, *rows = command(house, "runs").stdout.splitlines()
    assert head.split() == [
        "run",
        "asked",
        "for",
        "by",
        "status",
        "frames",
        "frames/s",
        "time",
        "optimizer.lr",
        "spectral.kind",  # which tells that spectral.layers and its other numbers are there
    ]
    assert len(rows) == 10
    assert any("house.base: DQN; house.sweep: DQN" in row for row in rows)
    table = command(house, "runs", "--csv", "--all-columns").stdout.splitlines()
    assert len(table) == 11
    assert "learning.batch" in table[0].split(",")


def test_diff_and_explain(house: Path):
    names = sorted(path.name for path in (house / "results/runs").iterdir())
    assert f"{names[0]} and {names[0]}: no difference" in command(house, "diff", names[0], names[0]).stdout
    shown = command(house, "diff", names[0], names[1].rsplit(".", 1)[1]).stdout
    assert names[1] in shown.splitlines()[0]
    facts = house / "results/runs" / names[1] / "run.json"
    before = facts.read_text()
    facts.write_text(before.replace('"torch": "2"', '"torch": "3"'))
    try:
        lines = command(house, "diff", names[0], names[1]).stdout.splitlines()
    finally:
        facts.write_text(before)
    assert ["versions.torch", "2", "3"] in [line.split() for line in lines]
    assert "learning.batch" in command(house, "explain", names[0]).stdout
    meant = next(name for name in names if "breakout" in name)
    wrong = command(house, "diff", names[0], meant.replace("breakout", "brakout"))
    assert wrong.returncode == 1
    assert f"did you mean '{meant}'" in wrong.stderr
    assert "could be any of" in command(house, "explain", "dqn").stderr


def test_differing():
    assert runs.differing([{"a": 1, "b": [1]}, {"a": 1.0, "b": [1]}, {"b": [1], "c": None}]) == ["a", "c"]
    none, one = {"x": 1, "p.kind": "none"}, {"x": 2, "p.kind": "sn", "p.bound": 1, "p.q.kind": "r"}
    assert runs.differing([none, one]) == ["x", "p.kind", "p.bound", "p.q.kind"]
    assert runs.telling([none, one]) == runs.telling([one, none]) == ["x", "p.kind"]
    assert runs.telling([none, one, one | {"p.bound": 2}]) == ["x", "p.kind", "p.bound"]


def test_numbers_that_a_kind_brings_have_a_column_where_they_differ(tmp_path: Path):
    parts = [{"kind": "none"}, {"kind": "sn", "layers": [-1], "bound": 1}, {"kind": "sn", "layers": [-2], "bound": 1}]
    for i, part in enumerate(parts):
        (tmp_path / f"runs/run{i}").mkdir(parents=True)
        (tmp_path / f"runs/run{i}/run.json").write_text(json.dumps({"spec": {"spectral": part, "lr": 1}}))
    head, *rows = run_table.overview(run_table.table(tmp_path, run_table.Asked()), tmp_path, as_csv=True).splitlines()
    assert head.split(",")[7:] == ["spectral.kind", "spectral.layers"]
    assert [row.split(",", 7)[-1] for row in rows] == ["none,", "sn,[-1]", "sn,[-2]"]
    found = run_table.table(tmp_path, run_table.Asked(all_columns=True))
    every = run_table.overview(found, tmp_path, as_csv=True).splitlines()[0]
    assert every.split(",")[7:] == ["spectral.kind", "lr", "spectral.layers", "spectral.bound"]


def beat(folder: Path, run: str, **more: object) -> None:
    path = folder / "work" / run / "heartbeat.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    fixed = {"run": run, "state": "running", "frame": 400, "budget_frames": 1000, "frames_per_second": 100.0}
    fixed |= {"eta_seconds": 6.0, "last_return": 1.5, **identity()}
    fixed |= {"slurm_job": None, "time": time.time(), "resumes": 0}
    path.write_text(json.dumps(fixed | more))


def test_heartbeats_tell_the_lost_from_the_living(tmp_path: Path):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    beat(tmp_path, "alive")
    beat(tmp_path, "silent", time=time.time() - 3600)
    beat(tmp_path, "dead", pid=gone.pid)
    beat(tmp_path, "elsewhere", pid=gone.pid, host="another", boot="another")
    beat(tmp_path, "in_a_container", pid=gone.pid, namespace="pid:[1]")
    beat(tmp_path, "after_a_boot", pid=gone.pid, boot="another")
    beat(tmp_path, "stopped", state="preempted", time=0)
    (tmp_path / "work/torn").mkdir()
    (tmp_path / "work/torn/heartbeat.json").write_text('{"state": "run')
    states = {name: row["state"] for name, row in status.heartbeats(tmp_path).items()}
    assert states == {
        "alive": "running",
        "silent": "lost",
        "dead": "lost",
        "elsewhere": "running",
        "in_a_container": "running",
        "after_a_boot": "running",
        "stopped": "preempted",
    }


def test_status(house: Path, tmp_path: Path):
    context = Context.read(house, {"results": str(tmp_path)})
    names = list(context.papers.runs("house.base"))
    beat(tmp_path, names[0])
    beat(tmp_path, names[1], time=0)
    seal(context, names[2], status="diverged", frames=700, frames_per_second=50.0, host="n1")
    narrow = status.render(status.states(context, ["house"]), width=70).splitlines()
    assert max(map(len, narrow[2:15])) <= 70 and "columns have no room here" in narrow[14]  # head, line, 10 runs
    shown = status.render(status.states(context, ["house"]), limit=3).splitlines()
    assert shown[0] == "10 runs: 1 lost · 1 running · 1 diverged · 7 waiting"
    rows = [line.split() for line in shown[4:7]]
    assert [(row[0], row[2]) for row in rows] == [(names[1], "lost"), (names[0], "running"), (names[2], "diverged")]
    assert rows[1][3:7] == ["400/1k", "100", "6s", "1.5"]
    assert shown[7] == "… and 7 more (waiting and after); --all shows them"
    assert shown[9].endswith(f"gone): {names[1]}")
    assert command(house, "status").stdout.startswith("10 runs: 10 finished")


def test_a_run_that_has_no_pace_yet_says_what_it_does():
    """The first evaluation may take minutes, in which no frame of training passes."""
    assert progress._pace({"state": "evaluating", "frames_per_second": 0.0, "eta_seconds": None}) == ["evaluating"]
    assert progress._pace({"state": "running", "frames_per_second": 0.0, "eta_seconds": None}) == ["starting"]
    assert progress._pace({"state": "running", "frames_per_second": 99.6, "eta_seconds": 6}) == ["100 f/s", "ETA 6s"]


def test_status_shows_the_last_return_of_finished_runs(house: Path, tmp_path: Path):
    context = Context.read(house, {"results": str(tmp_path)})
    run, silent, *_ = context.papers.runs("house.base")
    for name in (run, silent):
        seal(context, name)
    table = {"metric": ["training_return_100"] * 2, "frame": [500, 1000], "mean": [3.0, 7.25]}
    summary = tmp_path / "runs" / run / "summary.parquet"
    summary.unlink()  # a link to the sealed one, which stays
    pq.write_table(pa.table(table), summary)
    rows = {row["run"]: row for row in status.states(context, ["house"])}
    assert (rows[run]["last_return"], rows[silent]["last_return"]) == (7.25, None)
    (line,) = (line for line in status.render([rows[run]]).splitlines() if line.startswith(run))
    assert line.split()[3:] == ["1k/1k", "–", "–", "7.2", "–", "–"]


def test_status_says_what_failed_and_where_its_log_is(house: Path, tmp_path: Path):
    """A process that fails lets go of its lease; one that is killed, or still begins, does not."""
    context = Context.read(house, {"results": str(tmp_path)}, main=False)
    failed, crashed, lost, begins, killed, left, queued, made, *_ = context.papers.runs("house.base")
    for run in (failed, crashed, lost, begins, killed, left, made):
        log = tmp_path / "logs/train" / f"{run}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(f"{run}: started\nTraceback:\nRuntimeError: no kernel image for {run}\n\n")
        os.utime(log, (0, 0) if run != begins else None)
    for run, state in ((crashed, "running"), (lost, "running"), (left, "preempted")):
        beat(tmp_path, run, time=0, state=state)
    for run in (lost, killed):
        (tmp_path / "work" / run).mkdir(parents=True, exist_ok=True)
        (tmp_path / "work" / run / "lease.json").write_text("{}")
    (tmp_path / "runs" / made).mkdir(parents=True)  # by other code than there is now
    (tmp_path / "runs" / made / "run.json").write_text("{}")
    slurm = tmp_path / "logs/slurm/rule_train" / f"{queued}_0123456789abcdef" / "7.log"
    slurm.parent.mkdir(parents=True)
    slurm.write_text("slurmstepd: error: oom-kill\n")
    os.utime(slurm, (0, 0))
    rows = status.states(context, ["house"])
    states = {row["run"]: row["state"] for row in rows}
    assert [states[run] for run in (failed, crashed, queued)] == ["failed"] * 3
    assert [states[run] for run in (lost, begins, killed, left)] == ["lost", "waiting", "waiting", "preempted"]
    assert states[made] == "waiting"
    lines = status.render(rows).splitlines()
    assert lines[0] == "10 runs: 1 lost · 3 failed · 1 preempted · 5 waiting"
    start = lines.index("failed, and tried again when snakemake is started again:")
    assert f"  {tmp_path}/logs/train/{failed}.log: RuntimeError: no kernel image for {failed}" in lines[start:]
    assert f"  {slurm}: slurmstepd: error: oom-kill" in lines[start:]
    beat(tmp_path, made, time=0, state="running")  # begun again with the code there is
    assert {row["run"]: row["state"] for row in status.states(context, ["house"])}[made] == "failed"


def test_partial_draws_what_is_there_and_trains_nothing(tmp_path: Path):
    folder = build(tmp_path / "house")
    partial = ("--cores", "1", "--config", "partial=true")
    first = snakemake(folder, "house.base".split(".")[0], *partial)
    assert first.returncode == 0, first.stderr
    shown = folder / "results/paper/partial"
    made = {str(path.relative_to(shown)) for path in shown.rglob("*.*")}
    assert {"report/index.html", "claims/house.json"} <= made
    assert not [name for name in made if name.startswith(("figures", "scores"))]  # no run is finished
    run = next(iter(Context.read(folder, {"results": str(folder / "results")}).papers.runs("house.base")))
    seal(Context.read(folder, {"results": str(folder / "results")}), run)
    second = snakemake(folder, "house", *partial)
    assert second.returncode == 0, second.stderr
    made = {path.stem for path in (folder / "results/paper/partial/figures/house").iterdir()}
    assert (
        made == {"curves", "bars", "swept"}
        if run in Context.read(folder).papers.runs("house.sweep")
        else {"curves", "bars"}
    )
    assert [p.name for p in (folder / "results/runs").iterdir()] == [run]
    assert not (folder / "results/paper/figures").exists()


def test_snakemake_still_has_what_we_lean_on():
    """`workflow.is_main_process` and `workflow.dryrun` are not documented."""
    for mode, main in ((ExecMode.DEFAULT, True), (ExecMode.SUBPROCESS, False), (ExecMode.REMOTE, False)):
        assert Workflow.is_main_process.fget(SimpleNamespace(exec_mode=mode)) is main
    settings = SimpleNamespace(common_settings=SimpleNamespace(dryrun_exec=True))
    assert Workflow.dryrun.fget(SimpleNamespace(executor_plugin=settings)) is True


def test_parsing_a_dry_run():
    log = """Building DAG of jobs...
[Sat Nov 21 01:35:10 2026]
localrule score:
    input: a, b
    output: c
    reason: Missing output files: c; Code has changed
    wildcards: experiment=demo.x
    resources: tmpdir=/tmp
[Sat Nov 21 01:35:10 2026]
rule train:
    output: d
    jobid: 3
    reason: Updated input files: results/code/x/modules.fp
    wildcards: run=dqn.a-b.s0.0123
Job stats:
"""
    assert [tuple(job) for job in parse(log)] == [
        ("score", {"experiment": "demo.x"}, "Missing output files: c; Code has changed"),
        ("train", {"run": "dqn.a-b.s0.0123"}, "Updated input files: results/code/x/modules.fp"),
    ]


def test_reading_snakemakes_log(tmp_path: Path):
    path = tmp_path / "log"
    path.write_text("job count\ntrain 3\ntotal      5\n[date]\n1 of 5 st")
    log = Log(path)
    log.read()
    assert (log.done, log.total, log.idle) == (0, 5, False)
    with path.open("a") as file:
        file.write("eps (20%) done\n4 of 5 steps (80%) done\n")
    log.read()
    assert (log.done, log.total) == (4, 5)


def test_text():
    assert [text.frames(n) for n in (None, 0, 999, 2000, 43210, 1_200_000, 2e8)] == [
        "–",
        "0",
        "999",
        "2k",
        "43k",
        "1.2M",
        "200M",
    ]
    assert [text.duration(s) for s in (None, 5, 99, 200, 720, 12000, 200000)] == [
        "–",
        "5s",
        "99s",
        "3m20s",
        "12m",
        "3h20m",
        "2d07h",
    ]
    assert text.table(["a", "n"], [["x", 1], [None, 22]], right=("n",)) == "a   n\n-  --\nx   1\n–  22"


def test_the_results_folder_of_a_job_is_the_main_processs(house: Path, monkeypatch: pytest.MonkeyPatch):
    """A variable in its name means what it meant where Snakemake was started, not what it means on a node."""
    for name in ("PATH", "PYTHONPATH", "ACCEPT_CODE_CHANGES", "PAPER_ARCADE_RESULTS"):
        monkeypatch.setenv(name, os.environ.get(name, ""))
    monkeypatch.setenv("SCRATCH", "here")
    monkeypatch.chdir(house)
    config = {"results": "$SCRATCH/r"}
    assert start(str(house), config, True, Resources()).results == "here/r"
    monkeypatch.setenv("SCRATCH", "there")
    assert start(str(house), config, False, Resources()).results == "here/r"


def test_a_misspelt_figure_is_told_its_nearest(house: Path, tmp_path: Path):
    context = Context.read(house, {"results": str(tmp_path)})
    assert drawn.item(context, "figures", "house", "curves").kind == "learning_curves"
    with pytest.raises(ConfigError, match=r"config/papers/house\.yaml has no figure 'curvse'; did you mean 'curves'"):
        drawn.item(context, "figures", "house", "curvse")
    with pytest.raises(ConfigError, match="has no figure 'zz'; figures: curves, swept, bars"):
        drawn.item(context, "figures", "house", "zz")


@pytest.mark.parametrize("word", ["--config", "-C", "--config=scale=smoke", "--configfile"])
def test_a_config_behind_the_dashes_is_refused(word: str, capsys: pytest.CaptureFixture[str]):
    """Snakemake would heed it, and the paths that are told would be of another scale."""
    assert program.main(["run", "demo", "--", word, "scale=smoke"]) == 1
    assert f"{word} stands behind --, where words go to Snakemake alone: write it before --" in capsys.readouterr().err
