"""What cannot be averaged, normalised or compared is refused before anything trains: just what its drawing would end with."""

# ruff: noqa: E501 - one case a line

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest

from analysis import style
from analysis.errors import UserError
from analysis.figure import draw
from analysis.files import resolve
from analysis.load import select
from analysis.reference import Reference
from analysis.spec.items import CLAIMS, FIGURES, TABLES, Interval
from tests import made_up
from tests.paper_scale import ADAPTERS
from tests.workflow.conftest import house
from tests.workflow.house import ROOT
from workflow.checked import check
from workflow.context import Context
from workflow.doubled import doubled
from workflow.drawn import as_json
from workflow.invocation import Invocation
from workflow.items import takes_normalisation
from workflow.lookahead import look
from workflow.strict_yaml import ConfigError

SN = {"DQN": {}, "SN": {"spectral.kind": "weights", "spectral.layers": [-2]}}
MINATAR = {"title": "E", "algorithm": "dqn_minatar_sn", "seeds": 2, "budget_frames": 1000, "variants": SN}
ATARI = {"title": "A", "algorithm": "dqn_nature", "seeds": 2, "budget_frames": 1_000_000}
SWEEP = MINATAR | {"vary": {"optimizer.lr": [0.001, 0.01]}}
EXPERIMENTS = {
    "two": MINATAR | {"games": ["minatar/breakout", "minatar/asterix"]},
    "breakout": MINATAR | {"games": ["minatar/breakout"]},
    "asterix": MINATAR | {"games": ["minatar/asterix"]},
    "again": MINATAR | {"games": ["minatar/breakout"], "set": {"agent.discount": 0.9}},
    "same": MINATAR | {"games": ["minatar/breakout", "minatar/asterix"]},
    "late": MINATAR | {"games": ["minatar/breakout"], "set": {"agent.discount": 0.9}, "seeds": [7, 8]},
    "faster": SWEEP | {"games": ["minatar/breakout"], "set": {"agent.discount": 0.9}},
    "other": MINATAR | {"games": ["minatar/asterix"], "variants": {"Other": {}}},
    "sweep": SWEEP | {"games": ["minatar/breakout"]},
    "square": MINATAR | {"games": ["minatar/breakout"], "vary": {"optimizer.lr": [0.001, 0.01], "agent.discount": [0.9, 0.99]}},
    "sweep2": SWEEP | {"games": ["minatar/asterix"], "vary": {"optimizer.lr": [0.002, 0.02]}},
    "atari": ATARI | {"games": ["atari/pong", "atari/breakout"], "variants": {"DQN": {}, "Slow": {"optimizer.lr": 1e-5}}},
    "pong": ATARI | {"games": ["atari/pong"]},
}  # fmt: skip
BARS = {"kind": "interval_bars", "statistics": ["mean"]}
GREATER = {"kind": "greater", "a": "SN", "b": "DQN"}
TABLE = {"kind": "aggregates", "rows": [{"label": "A", "variant": "SN"}], "columns": [{"statistic": "mean"}]}
PROFILE = {
    "kind": "profile",
    "panels": [{"axis": "a", "metrics": {"x": "return_flicker_0", "y": "agreement_memory_0"}}],
}
TWO, GAP, LEVELS = (
    "raw scores of 2 games cannot be averaged",
    "an optimality gap needs a normalised score",
    "levels need a normalised score",
)
MIXED = "variant 'SN' has 2 settings: 'where' has to choose one by optimizer.lr"
BY_ONE = "variant 'DQN' has 2 settings with optimizer.lr 0.001: 'where' has to choose one by agent.discount"
UNIT = "of 2 games cannot be averaged: its unit is not the same in all"

# experiments, item, what is wrong with its normalisation (or levels)
CASES = {
    "one game of each experiment": (["breakout", "asterix"], BARS, TWO),
    "variants of one experiment": (["breakout", "other"], BARS | {"variants": ["SN"]}, None),
    "curves of one game of each": (["breakout", "asterix"], {"kind": "aggregate_curves", "statistics": ["mean"]}, TWO),
    "a gap of one game": (["breakout"], {"kind": "interval_bars"}, GAP),
    "Atari's gap": (["pong"], {"kind": "interval_bars"}, None),
    "Atari's raw gap": (["pong"], {"kind": "interval_bars", "normalisation": "raw"}, GAP),
    "two suites": (["pong", "breakout"], BARS, TWO),
    "values of Q": (["two"], BARS | {"metric": "q_mean"}, f"q_mean {UNIT}"),
    "lags of a claim": (["two"], GREATER | {"metric": "policy_lag"}, f"policy_lag {UNIT}"),
    "no unit": (["two"], GREATER | {"metric": "rho[-1]"}, None),
    "Atari without a unit": (["atari"], BARS | {"metric": "rho[-1]"}, None),
    "Atari's values of Q": (["atari"], BARS | {"metric": "q_mean"}, f"q_mean {UNIT}"),
    "returns under a condition": (["two"], BARS | {"metric": "return_flicker_0"}, TWO),
    "MinAtar by humans": (["breakout"], {"kind": "learning_curves", "normalisation": "standard"}, "'standard' has no reference score for minatar/breakout"),
    "Atari by MinAtar's DQN": (["pong"], {"kind": "learning_curves", "normalisation": "minatar_dqn"}, "'minatar_dqn' has no reference score for atari/pong"),
    "levels of raw scores": (["breakout"], {"kind": "performance_profile"}, LEVELS),
    "levels of Atari": (["atari"], {"kind": "performance_profile"}, None),
    "games above raw levels": (["atari"], {"kind": "games_above", "levels": [50]}, LEVELS),
    "a profile of scores": (["two"], PROFILE | {"metric": "rho[-1]"}, TWO),
    "a profile without units": (["two"], PROFILE | {"panels": [{"axis": "a", "metrics": {"x": "rho[-1]"}}]}, None),
    "percent of raw scores": (["two"], PROFILE | {"panels": [{"axis": "a", "metrics": {"x": "rho[-1]"}}], "percent_of": "training_return"}, TWO),
    "a normalised profile": (["atari"], PROFILE | {"normalisation": "standard"}, None),
    "a share of two sweeps": (["sweep", "sweep2"], GREATER | {"kind": "share_greater", "threshold": 1}, TWO),
    "the best of each sweep": (["sweep", "sweep2"], GREATER | {"kind": "best_greater"}, None),
    "a sweep by its values": (["sweep", "sweep2"], {"kind": "grid_share", "threshold": 1, "where": {"optimizer.lr": 0.001}}, None),
    "sides of different games": (["breakout", "other"], GREATER | {"b": "Other"}, None),
    "overtaken on two games": (["breakout", "asterix"], GREATER | {"kind": "overtakes", "by_frames": 500}, TWO),
    "a number": (["breakout", "asterix"], GREATER | {"b": 1.0}, TWO),
    "a sweep": (["sweep"], GREATER, MIXED),
    "a sweep against a number": (["sweep"], {"kind": "close", "a": "SN", "b": 1.0, "margin": 1.0}, MIXED),
    "a sweep's curve": (["sweep"], GREATER | {"kind": "above_from", "from_frames": 0}, MIXED),
    "a sweep's rise": (["sweep"], GREATER | {"kind": "rises_more"}, MIXED),
    "a sweep's pace": (["sweep"], GREATER | {"kind": "sooner", "count": "frames", "levels": {"minatar/breakout": 1.0}}, MIXED),
    "a sweep beside what varies nothing": (["breakout", "sweep"], GREATER | {"kind": "more_wins"}, MIXED.replace("2", "3")),
    "a sweep's row": (["sweep"], TABLE | {"normalisation": "minatar_dqn"}, MIXED),
    "a square by one key": (["square"], {"kind": "sensitivity", "x": "optimizer.lr"}, BY_ONE),
    "a square's pace": (["square"], {"kind": "speedups", "x": "optimizer.lr", "axis": "rate", "count": "frames", "levels": {"minatar/breakout": 1.0}}, BY_ONE),
    "a square's row": (["square"], {"kind": "sensitivity", "x": "optimizer.lr", "where": {"agent.discount": 0.9}}, None),
    "one setting": (["sweep"], GREATER | {"where": {"optimizer.lr": 0.001}}, None),
    "two settings of one variant": (["sweep"], GREATER | {"b": "SN", "where": {"optimizer.lr": 0.001}, "b_where": {"optimizer.lr": 0.01}}, None),
    "one setting of one side": (["sweep", "sweep2"], GREATER | {"where": {"optimizer.lr": 0.001}, "b": 1.0}, None),
    "a table of raw scores": (["two"], TABLE | {"normalisation": "raw"}, TWO),
    "a raw column": (["atari"], TABLE | {"rows": [{"label": "A", "variant": "Slow"}], "columns": [{"statistic": "mean", "normalisation": "raw"}]}, TWO),
    "raw scores above the human": (["pong"], TABLE | {"rows": [{"label": "A", "variant": "DQN"}], "normalisation": "raw", "columns": [{"statistic": "above_human"}]}, "a number of games above the human needs a normalised score"),
    "MinAtar in a table of aggregates": (["breakout"], TABLE, "'standard' has no reference score for minatar/breakout"),
    "no human": (["breakout"], {"kind": "milestones", "count": "frames"}, "no human score for minatar/breakout: they need a level"),
    "a level": (["breakout"], {"kind": "milestones", "count": "frames", "levels": {"minatar/breakout": 1.0}}, None),
}  # fmt: skip

CURVES = {"kind": "learning_curves"}
# experiments, item, the experiments of which it could not tell the runs apart
DOUBLED = {
    "curves": (["breakout", "again"], CURVES, "breakout again"),
    "one variant": (["breakout", "again"], CURVES | {"variants": ["SN"]}, "breakout again"),
    "a claim": (["breakout", "again"], GREATER, "breakout again"),
    "a game": (["two", "again"], CURVES | {"games": ["minatar/breakout"]}, "two again"),
    "another game": (["two", "again"], CURVES | {"games": ["minatar/asterix"]}, None),
    "the same runs": (["two", "same"], CURVES, None),
    "other seeds": (["breakout", "late"], CURVES, None),
    "a sweep": (["sweep", "faster"], {"kind": "final_scores"}, "sweep faster"),
    "other values": (["sweep", "again"], CURVES, None),
    "a table's row": (["breakout", "again", "other"], TABLE | {"rows": [{"label": "A", "variant": "Other"}], "normalisation": "minatar_dqn"}, None),
    "each sweep alone": (["sweep", "faster"], GREATER | {"kind": "best_greater"}, None),
}


LISTS = {**dict.fromkeys(FIGURES, "figures"), **dict.fromkeys(TABLES, "tables"), **dict.fromkeys(CLAIMS, "claims")}


def declare(root: Path, items: list[tuple[list[str], dict]]) -> list[tuple[str, int]]:
    """Make a paper of these experiments and items its only one; -> the list that each item stands in, and where."""
    paper = {"title": "T", "authors": "N", "year": 2026, "venue": "t", "url": "", "experiments": EXPERIMENTS}
    lists: dict[str, list] = {"figures": [], "tables": [], "claims": []}
    places = []
    for i, (names, item) in enumerate(items):
        part = LISTS[item["kind"]]
        places.append((part, len(lists[part])))
        words = {"id": f"x{i}", "text" if part == "claims" else "title": "X", "experiments": names}
        lists[part].append(words | item)
    (root / "config" / "papers" / "house.yaml").write_text(json.dumps(paper | lists))  # which is YAML
    return places


def checked(root: Path) -> list[tuple[tuple[str, int], str]]:
    """The place of each problem, and its words."""
    try:
        Context.read(root, {"scale": "paper"}, main=False).project.check()
    except ConfigError as error:
        return [(problem.location[:2], problem.message) for problem in error.problems]
    return []


def said(root: Path, names: list[str], item: dict) -> list[str]:
    """What is wrong with one item."""
    declare(root, [(names, item)])
    return [message for _, message in checked(root)]


@pytest.fixture(scope="module")
def all_cases(tmp_path_factory: pytest.TempPathFactory):
    """Every case in one paper: its place, what the check says, and what makes it of made-up scores all the same."""
    root = house(tmp_path_factory.mktemp("unscaled"))
    places = dict(zip(CASES, declare(root, [case[:2] for case in CASES.values()]), strict=True))
    at = Context.read(root, {"scale": "paper"}, main=False)
    document, paper, _ = at.project.described("house")
    at.project.paper = lambda _: (paper, document)
    reference = Reference(ROOT / "config" / "reference")

    def make(case: str) -> None:
        part, i = places[case]
        spec = ADAPTERS[part].validate_json(as_json(at, getattr(paper, part)[i]))
        spec = spec.model_copy(update={"interval": Interval(resamples=100)})
        scores = made_up.scores(spec, [at.papers.experiment(name) for name in spec.experiments], reference, root)
        if part == "figures":
            with style.context():
                style.plt.close(draw(spec, scores, reference).figure)
        else:
            resolve((TABLES | CLAIMS)[spec.kind])(spec, scores, reference)

    return places, checked(root), make


@pytest.mark.parametrize("case", CASES)
def test_what_is_refused_is_what_could_not_be_made(case: str, all_cases):
    places, problems, make = all_cases
    wrong = CASES[case][2]
    told = [words for place, words in problems if place == places[case]]
    valid = "; valid: abs, " if (wrong or "").startswith("raw scores") else ""
    assert [words.partition("; valid")[0] for words in told] == [f"{wrong} at scale paper"] * bool(wrong)
    assert all(valid in words for words in told)
    with pytest.raises(UserError) if wrong else contextlib.nullcontext():
        make(case)


@pytest.mark.parametrize("case", DOUBLED)
def test_runs_that_could_not_be_told_apart_are_refused(case: str, project: Path):
    names, item, wrong = DOUBLED[case]
    [(part, _)] = declare(project, [(names, item)])
    context = Context.read(project, {"scale": "paper", "device": "cpu"}, main=False)
    found = list(doubled(context.papers, "house"))
    assert [problem.location for problem in found] == [(part, 0, "experiments")] * bool(wrong)
    assert all(problem.message.startswith(f"house.{' and house.'.join(wrong.split())} both have") for problem in found)
    assert [problem.message for problem in check(project, {}).problems] == [problem.message for problem in found]
    with pytest.raises(ConfigError, match="both have runs of") if wrong else contextlib.nullcontext():
        look(context, Invocation(("house",), runs=True))
    spec = ADAPTERS[part].validate_json(as_json(context, getattr(context.project.paper("house")[0], part)[0]))
    reference = Reference(ROOT / "config" / "reference")
    scores = made_up.scores(spec, [context.papers.experiment(n) for n in spec.experiments], reference, project)
    with pytest.raises(UserError, match="several runs of") if wrong else contextlib.nullcontext():
        own = case in ("a table's row", "each sweep alone")  # kinds that select otherwise than by their spec alone
        resolve((TABLES | CLAIMS)[spec.kind])(spec, scores, reference) if own else select(scores, spec)


def test_only_game_scores_are_normalised(project: Path):
    """By the main config where an aggregate names no normalisation, and in a profile of several metrics."""
    declare(project, [(["atari"], BARS | {"metric": "rho[-1]"}), (["atari"], PROFILE | {"normalisation": "standard"})])
    bars, profile = Context.read(project, main=False).project.paper("house")[0].figures
    assert not takes_normalisation(bars, ["atari/pong"])
    assert takes_normalisation(bars.model_copy(update={"metric": "training_return"}), ["atari/pong"])
    assert [tuple(each) for each in profile.averages()] == [
        ("return_flicker_0", "standard", "mean"),
        ("agreement_memory_0", "raw", "mean"),
    ]
    assert said(project, ["atari"], BARS | {"metric": "rho[-1]", "normalisation": "standard"}) == [
        "rho[-1] is no game score, which alone is normalised at scale paper"
    ]


def test_a_metric_that_no_run_records_is_refused(project: Path):
    panels = [{"axis": "a", "metrics": {"x": "rhoo[-1]", "y": "rho[-1]"}}]
    assert said(project, ["two"], PROFILE | {"panels": panels}) == ["unknown metric 'rhoo[-1]'; did you mean 'rho'?"]
    assert said(project, ["two"], {"kind": "learning_curves", "metric": "evaluation_retrun"}) == [
        "unknown metric 'evaluation_retrun'; did you mean 'evaluation_return'?"
    ]


def test_an_ablation_that_leaves_nothing_to_drop_is_refused(project: Path):
    assert said(project, ["breakout"], {"kind": "ablation_drops", "full": "SN", "base": "DQN"}) == [
        "no variant runs beside 'SN' and 'DQN' at scale paper"
    ]
