"""Exactly the jobs that an edit concerns run again: the table of the workflow's promises."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.workflow.house import TRIGGERS, build, copy_checkout, planned, snakemake

PAPER = "config/papers/house.yaml"


def edit(folder: Path, file: str, *changes: tuple[str, str]) -> None:
    path = folder / file
    text = path.read_text()
    for old, new in changes:
        assert old in text, f"{file} has no {old!r}"
        text = text.replace(old, new, 1)
    path.write_text(text)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The house with all its work done."""
    folder = build(tmp_path_factory.mktemp("house") / "a")
    done = snakemake(folder, "--cores", "2", "--scheduler", "greedy", *TRIGGERS)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def members(folder: Path) -> dict[str, set[str]]:
    """`experiment/variant` -> its runs."""
    found: dict[str, set[str]] = {}
    for path in (folder / "results/paper/experiments").glob("*/runs.json"):
        data = json.loads(path.read_text())
        for row in data["runs"]:
            found.setdefault(f"{data['experiment']}/{row['variant']}", set()).add(row["run"])
    return found


def jobs(folder: Path, *words: str) -> set[str]:
    """What would run: "train" once for each run, "score base", "figure curves", …"""
    found = []
    for job in planned(folder, *words):
        if job.rule not in ("all", "house"):
            words = [v for k, v in sorted(job.wildcards.items()) if k not in ("paper", "code")]
            found.append(" ".join([job.rule, *(word.removeprefix("house.") for word in words)]))
    assert len(found) == len(set(found)), "a job twice"
    return set(found)


BASE = {"score base", "figure curves", "figure bars", "claims", "report index"}
SWEEP = {"score sweep", "figure swept", "report index"}


def test_what_was_made(finished: Path):
    runs = members(finished)
    assert {name: len(names) for name, names in runs.items()} == {"base/DQN": 4, "base/SN": 4, "sweep/DQN": 4}
    assert len(runs["base/DQN"] & runs["sweep/DQN"]) == 2  # asked for twice, trained once
    assert len(list((finished / "results/runs").iterdir())) == 10
    index = (finished / "results/index.csv").read_text().splitlines()
    assert len(index) == 1 + 12
    assert index[0] == "run,paper,experiment,variant,algorithm,game,seed,scale"
    assert (finished / "results/paper/report/index.html").exists()
    assert (finished / "results/paper/claims/house.json").exists()


def test_nothing_reruns_after_edits_that_say_the_same(finished: Path, tmp_path: Path):
    """Comments, key order, number spelling, docstrings, formatting, touched files: all at once."""
    edits: list[tuple[str, tuple[str, str]]] = [
        (
            PAPER,
            (
                "title: Base\n    algorithm: dqn_minatar_sn",
                "# a comment\n    algorithm: dqn_minatar_sn\n    title: Base",
            ),
        ),
        (PAPER, ("{ record.norms: none, optimizer.lr: 1e-3 }", "{ optimizer.lr: 0.001, record.norms: none }")),
        (PAPER, ("seeds: [0, 1]", "seeds: 2")),
        ("config/algorithms/dqn_minatar_sn.yaml", ("source:", "# more\nsource:")),
        ("rules/train.smk", ("# One training run.", "# One run of training.")),
    ]
    kept = {file: (finished / file).read_text() for file, _ in edits}
    for file, change in edits:
        edit(finished, file, change)
    for file in (
        "agents/optim/spectral.py",
        "agents/run/loop.py",
        "analysis/load.py",
        "analysis/figures/learning_curves.py",
    ):
        kept[file] = text = (finished / file).read_text()
        (finished / file).write_text(
            f'"""Another docstring."""\n\n# and a comment\n{text[text.index(chr(10)) :]}'
            if text.startswith('"""') and text.split("\n")[0].count('"""') == 2
            else f"# a comment\n{text}\n\n"
        )
    for path in finished.rglob("*"):
        if ".snakemake" not in path.parts:
            os.utime(path)
    try:
        assert jobs(finished) == set()
    finally:
        for file, text in kept.items():
            (finished / file).write_text(text)


def test_nothing_reruns_in_a_fresh_clone(finished: Path, tmp_path: Path):
    clone = copy_checkout(finished, tmp_path / "elsewhere", also=("results", ".snakemake", "bin"))
    (clone / "bin/python").chmod(0o755)
    assert jobs(clone) == set()


def test_several_targets_in_a_fresh_clone(finished: Path, tmp_path: Path):
    """What the main process writes for the second is found although Snakemake has listed the folders before."""
    clone = copy_checkout(finished, tmp_path / "fresh", also=("bin",))
    (clone / "bin/python").chmod(0o755)
    names = ["base", "sweep"]
    found = {job.rule for job in planned(clone, *(f"results/paper/scores/house.{name}.parquet" for name in names))}
    assert found == {"score", "train"}
    (dqn, *_), (normalised, *_) = (sorted(members(finished)[of]) for of in ("base/DQN", "base/SN"))
    marks = [mark for run in (dqn, normalised) for mark in (finished / "results/sealed" / run).iterdir()]
    trained = planned(clone, *(str(mark.relative_to(finished)) for mark in marks))
    assert sorted(job.wildcards["run"] for job in trained) == sorted([dqn, normalised])


def after_seed(folder: Path) -> None:
    edit(folder, PAPER, ("seeds: 2\n", "seeds: 3\n"))


def after_lr(folder: Path) -> None:
    edit(folder, PAPER, ("SN: { spectral.kind", "SN: { optimizer.lr: 2e-3, spectral.kind"))


def after_spectral(folder: Path) -> None:
    path = folder / "agents/optim/spectral.py"
    path.write_text(path.read_text() + "\nEDITED = 1\n")


def after_plotting(folder: Path) -> None:
    path = folder / "analysis/figures/per_game_bars.py"
    path.write_text(path.read_text() + "\nEDITED = 1\n")


CASES: list[tuple[Callable[[Path], None], str, Callable[[dict[str, set[str]]], set[str]], int, set[str]]] = [
    # edit, file, runs among the present ones, number of new runs, the rest
    (after_seed, PAPER, lambda runs: set(), 4, BASE),
    (after_lr, PAPER, lambda runs: set(), 4, BASE),
    (after_spectral, "agents/optim/spectral.py", lambda runs: runs["base/SN"], 0, BASE),
    (after_plotting, "analysis/figures/per_game_bars.py", lambda runs: set(), 0, {"figure bars", "report index"}),
]


@pytest.mark.parametrize(
    ("change", "file", "old", "new", "rest"), CASES, ids=lambda value: getattr(value, "__name__", "")
)
def test_only_what_an_edit_concerns_reruns(finished: Path, change, file, old, new, rest):
    runs, before = members(finished), (finished / file).read_text()
    everything = {f"train {name}" for names in runs.values() for name in names}
    change(finished)
    try:
        found = jobs(finished)
    finally:
        (finished / file).write_text(before)
    train = {job for job in found if job.startswith("train ")}
    assert found - train == rest
    assert train & everything == {f"train {name}" for name in old(runs)}
    assert len(train - everything) == new


def test_after_all_these_edits_and_their_undoing_nothing_reruns(finished: Path):
    after_spectral(finished)
    try:
        assert jobs(finished, "--config", "code_changes=ignore") == set()
    finally:
        path = finished / "agents/optim/spectral.py"
        path.write_text(path.read_text().removesuffix("\nEDITED = 1\n"))
    assert jobs(finished) == set()


def files(folder: Path) -> dict[str, bytes]:
    """Path below the folder -> content."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_another_scale_trains_nothing_new_and_draws_beside_the_first(finished: Path):
    """smoke keeps seed 0, whose runs are there; what another scale drew, and whose runs they are, stays."""
    assert jobs(finished, "--config", "scale=smoke") == BASE | SWEEP
    before = files(finished / "results/paper")
    asked = set((finished / "results/index.csv").read_text().splitlines())
    done = snakemake(finished, "--cores", "2", "--scheduler", "greedy", *TRIGGERS, "--config", "scale=smoke")
    assert done.returncode == 0, done.stdout + done.stderr
    assert files(finished / "results/paper") == before
    assert files(finished / "results/smoke").keys() == before.keys()
    index = set((finished / "results/index.csv").read_text().splitlines())
    assert index > asked and {line.rsplit(",", 1)[1] for line in index - asked} == {"smoke"}
    assert jobs(finished) == set()


def trainings(folder: Path) -> list[str]:
    """What the stand-in for training was asked to do, over and over."""
    return (folder / "trainings").read_text().splitlines()


def run(folder: Path, *words: str) -> list[str]:
    """Do what is due; -> the trainings this took."""
    before = trainings(folder)
    done = snakemake(folder, "--cores", "2", "--scheduler", "greedy", *TRIGGERS, *words)
    assert done.returncode == 0, done.stdout + done.stderr
    return trainings(folder)[len(before) :]


@pytest.fixture(scope="module")
def worn(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the house with its results, its hard links and Snakemake's records."""
    copy = tmp_path_factory.mktemp("worn") / "a"
    subprocess.run(["cp", "-a", str(finished), str(copy)], check=True)
    return copy


def snapshot(folder: Path) -> dict[str, tuple[int, int]]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return {str(p.relative_to(folder)): (p.stat().st_mtime_ns, p.stat().st_size) for p in found}


def without_records(folder: Path) -> None:
    shutil.rmtree(folder / ".snakemake")


def touched(folder: Path) -> None:
    for path in (folder / "results").rglob("*"):
        os.utime(path)


def without_marks_and_links(folder: Path) -> None:
    shutil.rmtree(folder / "results/sealed")
    shutil.rmtree(folder / "results/runs")


def without_some_links(folder: Path) -> None:
    for n, path in enumerate(sorted((folder / "results/runs").iterdir())):
        (path / ("run.json", "episodes.parquet", "summary.parquet")[n % 3]).unlink()


def started_over(folder: Path) -> None:
    """What a killed Snakemake leaves: every mark looks incomplete to the next one."""
    marker = folder / ".snakemake/incomplete"
    marker.mkdir(exist_ok=True)
    for path in (folder / "results/sealed").glob("*/*"):
        name = base64.b64encode(str(path.relative_to(folder)).encode(), b"-_").decode()
        (marker / name).write_text("")


@pytest.mark.parametrize(
    "wear", [without_records, touched, without_marks_and_links, without_some_links, started_over, None]
)
def test_whatever_happens_to_times_records_and_links_no_finished_run_trains_again(worn: Path, wear):
    if wear:
        wear(worn)
    forced = () if wear else ("--forcerun", "train", "--rerun-incomplete")
    shown = Path(worn / "results/runs")
    asked = run(worn, "--rerun-incomplete", *forced)
    if wear in (started_over, None):  # Snakemake starts the jobs, and each finds its result sealed
        assert len(asked) == 10
    else:
        assert asked == []
    assert all(len(list(path.iterdir())) == 6 for path in shown.iterdir()) and len(list(shown.iterdir())) == 10
    assert jobs(worn) == set()


def test_a_dry_run_writes_nothing(finished: Path, tmp_path: Path):
    clone = copy_checkout(finished, tmp_path / "clone", also=("bin",))
    (clone / "bin/python").chmod(0o755)
    assert len([job for job in jobs(clone) if job.startswith("train ")]) == 10
    assert not (clone / "results").exists()
    before = snapshot(finished / "results")
    after_spectral(finished)
    after_plotting(finished)
    try:
        assert {"figure bars", "score base"} < jobs(finished)
    finally:
        for file in ("agents/optim/spectral.py", "analysis/figures/per_game_bars.py"):
            path = finished / file
            path.write_text(path.read_text().removesuffix("\nEDITED = 1\n"))
    assert snapshot(finished / "results") == before
    assert jobs(finished) == set()


def test_code_that_comes_back_finds_its_results(worn: Path):
    """Trained with A, then with B, then A again: the results of A are shown and scored again, none trains."""
    source = worn / "agents/optim/spectral.py"
    before, scores = source.read_text(), worn / "results/paper/scores/house.base.parquet"
    first, text = members(worn)["base/SN"], scores.read_text()
    sealed = [json.loads(path.read_text()) for path in (worn / "results/paper/experiments").glob("*base/runs.json")]
    source.write_text(before + "\nEDITED = 1\n")
    asked = run(worn)
    assert {line.split()[1] for line in asked} == first and len(asked) == 4
    now = [json.loads(path.read_text()) for path in (worn / "results/paper/experiments").glob("*base/runs.json")]
    moved = [a["run"] for a, b in zip(sealed[0]["runs"], now[0]["runs"], strict=True) if a["sealed"] != b["sealed"]]
    assert set(moved) == first
    source.write_text(before)
    made = scores.stat().st_mtime_ns
    assert {job for job in jobs(worn) if job.startswith("train ")} == set()
    assert run(worn) == []
    assert scores.stat().st_mtime_ns > made and scores.read_text() == text
    code = json.loads(next((worn / "results/runs" / min(first)).glob("run.json")).read_text())["fingerprint"]
    assert {row["sealed"].split("/")[1] for row in sealed[0]["runs"] if row["run"] == min(first)} == {code}
    assert jobs(worn) == set()


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    with path.open("r+b") as file:
        file.write(data)


def test_damaged_results_are_noticed_and_made_again(worn: Path):
    """Three results damaged in three ways: Snakemake makes these again, and only these. (More ways: test_store.)"""
    places = [row["sealed"] for path in (worn / "results/paper/experiments").glob("*/runs.json")
              for row in json.loads(path.read_text())["runs"]]  # fmt: skip
    damages = [("episodes.parquet", cut), ("learning.parquet", flip), ("run.json", Path.unlink)]
    runs, sums = set(), {}
    for place, (name, damage) in zip(sorted(set(places)), damages, strict=False):
        folder = worn / "results/store" / place
        body = json.loads((folder / "manifest.json").read_text())
        runs.add(body["run"])
        sums[folder] = {k: v["sha256"] for k, v in body["files"].items()}
        os.chmod(folder / name, 0o644)
        damage(folder / name)
    assert {job.split()[1] for job in jobs(worn) if job.startswith("train ")} == runs
    assert {line.split()[1] for line in run(worn)} == runs
    for folder, known in sums.items():
        again = json.loads((folder / "manifest.json").read_text())
        assert {k: v["sha256"] for k, v in again["files"].items()} == known
    assert jobs(worn) == set()
