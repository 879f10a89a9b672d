"""Exactly the jobs that an edit concerns run again: the table of the workflow's promises."""

from __future__ import annotations

import json
import os
import shutil
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
            found.append(
                " ".join(
                    [job.rule, *(v.removeprefix("house.") for k, v in sorted(job.wildcards.items()) if k != "paper")]
                )
            )
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
        (PAPER, ("{ spectral.track: [], optimizer.lr: 1e-3 }", "{ optimizer.lr: 0.001, spectral.track: [] }")),
        (PAPER, ("seeds: [0, 1]", "seeds: 2")),
        ("config/algorithms/dqn_minatar_sn.yaml", ("source:", "# more\nsource:")),
        ("rules/train.smk", ("# One training run.", "# One run of training.")),
    ]
    kept = {file: (finished / file).read_text() for file, _ in edits}
    for file, change in edits:
        edit(finished, file, change)
    for file in (
        "agents/optim/spectral.py",
        "agents/loop.py",
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
    shutil.rmtree(clone / "results")
    trained = planned(clone, *(f"results/runs/{run}/run.json" for run in (dqn, normalised)))
    assert sorted(job.wildcards["run"] for job in trained) == sorted([dqn, normalised])


def after_seed(folder: Path) -> None:
    edit(folder, PAPER, ("seeds: 2\n", "seeds: 3\n"))


def after_lr(folder: Path) -> None:
    edit(folder, PAPER, ("SN: { spectral.use", "SN: { optimizer.lr: 2e-3, spectral.use"))


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
