"""Presets of scales, experiments that extend others, and what is told of those that are wrong."""

# ruff: noqa: E501 - one case a line

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.workflow.house import ROOT
from workflow.config import Project
from workflow.expand import Papers, expand
from workflow.overlay import laid, merge, nested, of_budget, part, placed, unwritten
from workflow.strict_yaml import ConfigError, Document, Place

PAPER, PRESET = "config/papers/house.yaml", "config/scales/small.yaml"
SMALL = """\
reduced:
  reduced: "{counts}; all shortened."
  games: [minatar/breakout]
  seeds: 1
  budget_frames: 400
  set:
    exploration: { warmup_frames: 10, end_frames: 25 % }
    learning.clock.start_frames: 100
smoke:
  seeds: 1
"""


def small(project: Path, paper: tuple[str, str] = ("", ""), preset: tuple[str, str] = ("", "")) -> Path:
    """The house with `base` shrunk by a preset, after one edit of its paper and one of the preset."""
    text = (project / PAPER).read_text()
    scales = "    scales:\n      smoke: { reduced: nothing but seeds, seeds: 1 }\n  sweep:"
    assert scales in text and paper[0] in text.replace(scales, "    preset: small\n  sweep:")
    text = text.replace(scales, "    preset: small\n  sweep:").replace(*paper, 1)
    (project / PAPER).write_text(text)
    assert preset[0] in SMALL
    (project / PRESET).write_text(SMALL.replace(*preset, 1))
    return project


def complaints(project: Path) -> list[str]:
    """What `check` says is wrong at all scales."""
    said: dict[str, None] = {}
    for scale in ("smoke", "reduced", "paper"):
        found = Project(project, {"scale": scale})
        try:
            found.check()
            expand(found, "house")
        except ConfigError as error:
            said |= dict.fromkeys(map(str, error.problems))
    return list(said)


def at(project: Path, scale: str, experiment: str = "base") -> tuple:
    """An experiment at a scale, and its first run's spec."""
    expansion = Papers(Project(project, {"scale": scale})).experiment(f"house.{experiment}")
    return expansion, json.loads(next(iter(expansion.runs())).spec)


def test_a_preset_shrinks_and_says_what_it_reduced(project: Path):
    expansion, spec = at(small(project), "reduced")
    assert (expansion.scale, expansion.budget_frames, expansion.seeds) == ("reduced", 400, [0])
    assert expansion.games == ["minatar/breakout"]
    assert (spec["exploration"]["warmup_frames"], spec["exploration"]["end_frames"]) == (10, 100)
    assert spec["exploration"]["end"] == 0.01  # the algorithm's
    assert expansion.reduced == "1 of 2 games, 1 of 2 seeds, 400 of 1k frames; all shortened."
    assert at(project, "smoke")[0].reduced == "1 of 2 seeds; checks that everything runs, shows nothing."  # unsaid
    assert (at(project, "paper")[0].reduced, at(project, "paper")[1]["learning"]["clock"]["start_frames"]) == ("", 5000)


def test_an_experiment_lays_its_own_scales_on_the_preset(project: Path):
    own = "scales: { reduced: { games: null, budget_frames: 800, set: { exploration.end_frames: 50, learning: { batch: 7 } } } }"
    small(project, ("preset: small\n", f"preset: small\n    {own}\n"))
    expansion, spec = at(project, "reduced")
    assert (len(expansion.games), expansion.seeds, expansion.budget_frames) == (2, [0], 800)
    assert (spec["exploration"]["warmup_frames"], spec["exploration"]["end_frames"]) == (10, 50)
    assert (spec["learning"]["batch"], spec["learning"]["clock"]["start_frames"]) == (7, 100)
    assert expansion.reduced == "1 of 2 seeds, 800 of 1k frames; all shortened."


@pytest.mark.parametrize("several", ["[small, rules]", "small, rules"])
def test_presets_lie_on_each_other_and_may_say_what_holds_at_every_scale(project: Path, several: str):
    """The last one is uppermost, and what the experiment says itself lies on both."""
    small(project, ("preset: small", f"preset: {several}"))
    paper = (project / PAPER).read_text()
    (project / PAPER).write_text(paper.replace("optimizer.lr: 1e-3 }", "optimizer.lr: 1e-3, learning.batch: 9 }", 1))
    (project / "config/scales/rules.yaml").write_text(
        "set: { learning: { batch: 5, target_every_frames: 80 } }\nreduced: { seeds: 2 }\n"
    )
    for scale, seeds in (("paper", [0, 1]), ("reduced", [0, 1]), ("smoke", [0])):
        expansion, spec = at(project, scale)
        assert (spec["learning"]["batch"], spec["learning"]["target_every_frames"]) == (9, 80)
        assert expansion.seeds == seeds
    assert not any("rules" in problem.file or "small" in problem.file for problem in Project(project).unused_presets())


def test_saber_is_one_word():
    """Toromanoff et al. 2019: sticky actions, 18 buttons, a lost life is no end, 100 hours, 5 minutes without a reward."""
    expansion = Papers(Project(ROOT, {"scale": "paper"})).experiment("rainbow.saber")
    for point in expansion.points:
        environment = json.loads(point.template)["environment"]
        assert environment["cap_frames"] == {"kind": "patience", "frames": 21_600_000, "unrewarded_frames": 18_000}
        chosen = ("sticky", "actions", "noop_max", "life_loss", "fire_reset", "repeat", "stack")
        assert [environment[key] for key in chosen] == [0.25, "full", 0, False, False, 4, 4]
        assert expansion.budget_frames == 200_000_000 and not expansion.doubts
    small = Papers(Project(ROOT, {"scale": "smoke"})).experiment("rainbow.saber")
    assert small.games == ["atari/pong"] and json.loads(small.points[0].template)["environment"]["actions"] == "full"


def test_an_experiment_extends_another(project: Path):
    child = (
        "  sweep:\n",
        "  child:\n    extends: sweep\n    title: Child\n    seeds: 3\n    set: { learning.batch: 7 }\n"
        "    vary: { optimizer.lr: null, agent.n_step: [1, 2] }\n  sweep:\n",
    )
    expansion, spec = at(small(project, child), "paper", "child")
    assert [point.vary for point in expansion.points] == [{"agent.n_step": 1}, {"agent.n_step": 2}]
    assert (expansion.seeds, expansion.games) == ([0, 1, 2], ["minatar/breakout"])
    assert (spec["learning"]["batch"], spec["record"]["norms"]) == (7, {"kind": "none"})
    assert at(project, "smoke", "child")[0].reduced == "nothing but seeds"


BASE = f"(for {PAPER}: experiments.base.scales.reduced."
# What is edited, and the one problem that follows.
BAD = {
    "preset": ({"paper": ("preset: small", "preset: smal")}, f"{PAPER}:17: experiments.base.preset: unknown preset 'smal'; did you mean 'small'?"),
    "preset of several": ({"paper": ("preset: small", "preset: [small, smal]")}, f"{PAPER}:17: experiments.base.preset.1: unknown preset 'smal'; did you mean 'small'?"),
    "key of a preset": ({"preset": ("budget_frames", "budget")}, f"{PRESET}:5: reduced.budget: unknown key; did you mean 'budget_frames'?"),
    "scale of a preset": ({"preset": ("smoke:", "smoky:")}, f"{PRESET}:9: smoky: unknown key; did you mean 'smoke'?"),
    "key of the spec": ({"preset": ("learning.clock.start_frames", "learning.clock.start_frame")}, f"{PRESET}:8: reduced.set.learning.clock.start_frame: unknown key of the spec; did you mean 'learning.clock.start_frames'? {BASE}set.learning.clock.start_frame)"),
    "key in a mapping": ({"preset": ("end_frames", "end_frame")}, f"{PRESET}:7: reduced.set.exploration.end_frame: unknown key of the spec; did you mean 'exploration.end_frames'? {BASE}set.exploration.end_frame)"),
    "game of a preset": ({"preset": ("minatar/breakout", "minatar/brekout")}, f"{PRESET}:3: reduced.games.0: unknown game 'minatar/brekout'; did you mean 'minatar/breakout'? {BASE}games.0)"),
    "value of a preset": ({"preset": ("warmup_frames: 10", "warmup_frames: -10")}, f"{PRESET}:7: reduced.set.exploration.warmup_frames: must be greater than or equal to 0, not -10 {BASE}set.exploration.warmup_frames)"),
    "hole of a sentence": ({"preset": ("{counts}", "{count}")}, f"{PRESET}:2: reduced.reduced: {{counts}} is all that can be filled in, not {{count}}"),
    "no share": ({"preset": ("25 %", "a quarter")}, "a number is wanted, not 'a quarter'"),
    "extends nobody": ({"paper": ("  sweep:\n", "  sweep:\n    extends: bse\n")}, f"{PAPER}:19: experiments.sweep.extends: unknown experiment 'bse'; did you mean 'base'?"),
    "extends a list": ({"paper": ("  sweep:\n", "  sweep:\n    extends: [base]\n")}, f"{PAPER}:19: experiments.sweep.extends: text is wanted"),
    "extends nobody, and is short": ({"paper": ("  sweep:\n", "  child: { extends: bse }\n  sweep:\n")}, f"{PAPER}:18: experiments.child.extends: unknown experiment 'bse'; did you mean 'base'?"),
    "extends itself": ({"paper": ("  sweep:\n", "  sweep:\n    extends: sweep\n")}, "experiments.sweep.extends: unknown experiment 'sweep'; valid: base"),
    "extends what extends": ({"paper": ("  sweep:\n", "  child: { extends: other, title: Child }\n  other: { extends: base, title: Other }\n  sweep:\n")}, f"{PAPER}:18: experiments.child.extends: other extends another: one level is allowed"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_presets_are_told_where_they_stand(project: Path, case: str):
    edits, message = BAD[case]
    found = complaints(small(project, **edits))
    assert any(message in said for said in found), found
    assert len(found) == 1, found


def test_what_an_experiment_inherits_is_blamed_where_it_stands(project: Path):
    child = ("  sweep:\n", "  child: { extends: sweep, title: Child, algorithm: cliffwalk }\n  sweep:\n")
    found = complaints(small(project, child))
    said = f"{PAPER}:26: experiments.sweep.vary.optimizer.lr: unknown key of the spec"
    assert any(each.startswith(said) and f"(for {PAPER}: experiments.child.vary." in each for each in found), found


def test_a_preset_that_nobody_names_is_told(project: Path):
    for path in (project / "config/scales").glob("*.yaml"):
        path.unlink()
    small(project)
    assert Project(project).unused_presets() == []
    (project / "config/scales/other.yaml").write_text("smoke: { seeds: 1 }\n")
    said = [str(problem) for problem in Project(project).unused_presets()]
    assert said == ["config/scales/other.yaml: no experiment names this preset"]
    (project / "config/scales/Other.yml").write_text("")
    assert "config/scales/Other.yml: not read under this name: call it other.yaml" in complaints(project)


def test_a_dotted_key_is_the_mappings_that_it_is_short_for():
    assert merge({"a": {"b": 1, "c": 2}}, nested("a.b", 3)) == {"a": {"b": 3, "c": 2}}
    under = {"optimizer": {"kind": "adam", "lr": 1}}
    assert merge(under, nested("optimizer", {"kind": "sgd", "lr": 2})) == {"optimizer": {"kind": "sgd", "lr": 2}}
    assert merge(under, nested("optimizer", {"lr": 2})) == {"optimizer": {"kind": "adam", "lr": 2}}
    assert merge({"a": 1}, nested("a.b", 2)) == {"a": {"b": 2}}


def test_a_share_of_the_budget():
    shares = {"frames": "37.5 %", "b": {"power_steps": "100%", "lr": "20 %"}}
    assert of_budget(shares, 10_000, "a") == {"frames": 3750, "b": {"power_steps": 10_000, "lr": "20 %"}}
    given = ("33.3 %", "% 3", 5, "9" * 400 + " %")
    assert [of_budget(value, 1000, "a.every_frames") for value in given] == [333, *given[1:]]


def test_values_keep_their_places():
    lower = Document(
        "low", {"x": {"a": [1, 2], "b": 1}}, {("x", "a", 1): Place("low", 4, ("x", "a", 1)), (): Place("low", 1, ())}
    )
    both = laid(lower, unwritten("--config", {"x": {"a": [3]}}))
    assert (both.data, both.file) == ({"x": {"a": [3], "b": 1}}, "--config")
    assert both.places[("x", "a", 0)] == Place("--config", 0, ("x", "a", 0)) and ("x", "a", 1) not in both.places
    assert part(both, ("x", "a")).data == [3]
    assert placed(both, ("y", "z"), part(both, ("x",))).data["y"] == {"z": {"a": [3], "b": 1}}
