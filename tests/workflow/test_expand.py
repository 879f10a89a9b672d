"""Runs and their names."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path

import pytest

from agents.spec.run import Spec
from benchmarks.dag import make_checkout
from tests.workflow.house import ROOT
from workflow.config import Project
from workflow.expand import Papers, expand
from workflow.strict_yaml import ConfigError


def test_texts_and_names_are_those_of_the_full_spec(project: Path):
    """Filling holes in a text gives what validating each run's own spec gives, to the letter."""
    runs = [run for each in expand(Project(project), "house").values() for run in each.runs()]
    assert len(runs) == 12
    for run in runs:
        spec = Spec.model_validate_json(run.spec)
        assert spec.canonical() == run.spec
        assert spec.name() == run.name
        assert (spec.seed, f"minatar/{spec.environment.game}") == (run.seed, run.game)


def test_the_big_sweep_has_5700_runs(tmp_path: Path):
    """57 games × 20 variants × 5 seeds; a sample is compared with full validation."""
    make_checkout(tmp_path)
    sweep = expand(Project(tmp_path, {"scale": "paper"}), "sweep")["sweep"]
    runs = list(sweep.runs())
    assert len(runs) == len({run.name for run in runs}) == 5700
    assert [run.seed for run in runs[: 57 * 20]] == [0] * 1140  # first seeds first
    for run in random.Random(0).sample(runs, 40):
        assert Spec.model_validate_json(run.spec).name() == run.name


def test_a_run_of_two_experiments_is_one(project: Path):
    papers = Papers(Project(project))
    base, sweep = papers.runs("house.base"), papers.runs("house.sweep")
    assert (len(base), len(sweep), len(base.keys() & sweep.keys())) == (8, 4, 2)


def test_names_do_not_depend_on_spelling(project: Path):
    names = set(Papers(Project(project)).runs("house.sweep"))
    path = project / "config/papers/house.yaml"
    path.write_text(path.read_text().replace("[1e-3, 1e-2]", "[0.001, 0.01]"))
    assert set(Papers(Project(project)).runs("house.sweep")) == names
    assert all(re.fullmatch(r"dqn\.minatar-breakout\.s[01]\.[0-9a-f]{12}", name) for name in names)


def edited(project: Path, old: str, new: str, scale: str = "paper") -> Papers:
    path = project / "config/papers/house.yaml"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))
    return Papers(Project(project, {"scale": scale}))


def values(papers: Papers, experiment: str, *keys: str) -> set[tuple]:
    found = set()
    for run in papers.runs(experiment).values():
        spec, row = json.loads(run.spec), []
        for key in keys:
            part = spec
            for step in key.split("."):
                part = part[step]
            row.append(part)
        found.add(tuple(row))
    return found


def test_vary_is_crossed_and_zip_taken_side_by_side(project: Path):
    change = "vary: { optimizer.lr: [1, 2], optimizer.epsilon: [3, 4] }\n"
    change += "    zip: { learning.batch: [5, 6], agent.n_step: [7, 8] }"
    papers = edited(project, "vary: { optimizer.lr: [1e-3, 1e-2] }", change)
    keys = ("optimizer.lr", "optimizer.epsilon", "learning.batch", "agent.n_step")
    expected = {(lr, eps, *pair) for lr in (1, 2) for eps in (3, 4) for pair in ((5, 7), (6, 8))}
    assert values(papers, "house.sweep", *keys) == expected
    vary = json.loads(papers.experiment("house.sweep").members(lambda run: f"{run.seed}/x"))["runs"][0]["vary"]
    assert vary == {"optimizer.lr": 1, "optimizer.epsilon": 3, "learning.batch": 5, "agent.n_step": 7}


def test_what_lies_over_what(project: Path):
    """Experiment's set < scale's set < variant < vary."""
    old = "smoke: { reduced: nothing but seeds, seeds: 1 }"
    new = "smoke: { reduced: much, seeds: 1, games: [minatar/seaquest], variants: [SN], budget_frames: 7, "
    new += "set: { optimizer.lr: 5, agent.n_step: 3 }, vary: { learning.batch: [8, 9] } }"
    papers = edited(project, old, new, scale="smoke")
    expansion = papers.experiment("house.base")
    assert (expansion.budget_frames, expansion.paper_frames, expansion.reduced) == (7, 1000, "much")
    keys = ("optimizer.lr", "agent.n_step", "learning.batch", "spectral.kind", "environment.game", "budget_frames")
    assert values(papers, "house.base", *keys) == {(5, 3, b, "weights", "seaquest", 7) for b in (8, 9)}
    papers = edited(project, "SN: { spectral.kind", "SN: { optimizer.lr: 6, learning.batch: 1, spectral.kind", "smoke")
    assert values(papers, "house.base", *keys[:3]) == {(6, 3, 8), (6, 3, 9)}


def test_a_mapping_replaces_a_part(project: Path):
    change = (
        "SN: { optimizer: { kind: rmsprop, lr: 1, epsilon: 2, decay: 0.9, centered: true, form: nature }, spectral.kind"
    )
    papers = edited(project, "SN: { spectral.kind", change)
    assert values(papers, "house.base", "optimizer.kind") == {("adam",), ("rmsprop",)}


def test_a_variant_of_another_algorithm(project: Path):
    (project / "config/algorithms/child.yaml").write_text(
        "label: Child\nsource: tests\nextends: dqn_minatar_sn\nspec:\n  agent: { selector: online }\n"
    )
    papers = edited(project, "SN: { spectral.kind", "SN: { algorithm: child, spectral.kind")
    assert values(papers, "house.base", "agent.selector", "spectral.kind") == {
        ("target", "none"),
        ("online", "weights"),
    }
    assert {run.point.algorithm for run in papers.runs("house.base").values()} == {"dqn_minatar_sn", "child"}


def test_game_sets(project: Path):
    papers = edited(project, "[minatar/breakout, minatar/asterix]", "[minatar5]")
    games = ["asterix", "breakout", "freeway", "seaquest", "space_invaders"]
    assert papers.experiment("house.base").games == [f"minatar/{game}" for game in games]
    assert len(Project(project).games_of(["atari57"])) == 57


def test_device_and_threads_identify_a_run_but_display_does_not(project: Path):
    names = set(Papers(Project(project)).runs("house.base"))
    assert names.isdisjoint(Papers(Project(project, {"threads": 2})).runs("house.base"))
    assert names == set(Papers(Project(project, {"device": "cuda"})).runs("house.base"))  # its file says gpu: 0
    algorithm = project / "config/algorithms/dqn_minatar_sn.yaml"
    before = algorithm.read_text()
    algorithm.write_text(before.replace("  gpu: 0", "  gpu: 1"))
    assert names.isdisjoint(Papers(Project(project, {"device": "cuda"})).runs("house.base"))
    assert names == set(Papers(Project(project, {"device": "cpu"})).runs("house.base"))
    algorithm.write_text(before)
    papers = edited(project, "title: Base", "title: Another")
    assert set(papers.runs("house.base")) == names


def test_members(project: Path):
    data = json.loads(Papers(Project(project)).experiment("house.sweep").members(lambda run: f"{run.seed}/x"))
    rows = data.pop("runs")
    assert data == {
        "paper": "house", "experiment": "sweep", "scale": "paper", "budget_frames": 1000, "paper_frames": 1000,
        "reduced": "", "clock": "frames", "cuts": [10_000], "metrics": None,
    }  # fmt: skip
    assert [(row["variant"], row["game"], row["seed"], row["vary"]) for row in rows] == [
        ("DQN", "minatar/breakout", seed, {"optimizer.lr": lr}) for seed in (0, 1) for lr in (0.001, 0.01)
    ]
    assert [row["sealed"] for row in rows] == ["0/x", "0/x", "1/x", "1/x"]


def test_one_run_is_found_without_listing_all(project: Path):
    """What a job on a node does: look up the one run that it is about."""
    name = list(Papers(Project(project)).runs("house.sweep"))[3]
    papers = Papers(Project(project))
    assert papers.run(name).name == name
    assert list(papers.known) == [name]
    wrong = name[:-1] + ("0" if name[-1] != "0" else "1")
    with pytest.raises(ConfigError, match=f"no experiment asks for the run .* did you mean '{name}'"):
        papers.run(wrong)
    with pytest.raises(ConfigError, match="no experiment asks for the run 'nonsense'"):
        papers.run("nonsense")


def test_the_demo(tmp_path: Path):
    """What the shipped demo promises: two seeds, four learners and a random policy; ten jobs for the cluster test."""
    for scale, seeds in (("smoke", 1), ("reduced", 2), ("paper", 10)):
        demo = expand(Project(ROOT, {"scale": scale}), "demo")["breakout"]
        assert len(demo.seeds) == seeds
        assert [point.variant for point in demo.points] == [
            "DQN", "Double DQN", "DQN SN[-2]", "Double DQN SN[-2]", "random policy",
        ]  # fmt: skip
        random_policy = json.loads(demo.points[-1].spec("breakout", 0))
        assert random_policy["exploration"]["start"] == random_policy["exploration"]["end"] == 1
        assert random_policy["evaluation"]["epsilon"] == 1
        assert random_policy["learning"]["clock"]["start_frames"] > demo.budget_frames


def test_points_are_named_by_what_tells_them_apart(project: Path):
    """As figures name them: a variant with several settings says which; one number for all is not said."""
    found = expand(Project(project), "house")
    assert sorted(found["base"].labels().values()) == ["DQN", "SN"]
    algorithm = Project(project).algorithm("dqn_minatar_sn").label
    assert sorted(found["sweep"].labels().values()) == [f"{algorithm} (lr 0.001)", f"{algorithm} (lr 0.01)"]
    points = [point._replace(vary={**point.vary, "agent.n_step": 1}) for point in found["sweep"].points]
    assert list(found["sweep"]._replace(points=points).labels().values()) == list(found["sweep"].labels().values())
