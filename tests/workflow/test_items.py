"""Figures, tables and claims that extend others, quote a paper, and share what stands beside their lists."""

# ruff: noqa: E501 - one case a line

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from workflow.config import Project
from workflow.schema import schemas
from workflow.strict_yaml import ConfigError, load

PAPER = "config/papers/house.yaml"
ITEMS = """\
published: { paper: schaul2016_per, regime: human_starts }
figures:
  - { id: whole, kind: learning_curves, title: Whole, source: Figure 1, experiments: [sweep], where: { optimizer.lr: 1e-3 }, seeds: true }
  - { id: swept, extends: whole, title: Swept, experiments: [house.sweep, house.base], seeds: false }
  - { id: printed, kind: published_bars, title: Printed, printed: { metric: median_hns }, recomputed: { statistic: median }, bars: [
        { label: both, printed: { algorithm: DQN }, recomputed: {} },
        { label: other, printed: { paper: other2016, algorithm: DDQN, metric: mean_hns }, recomputed: { statistic: mean, normalisation: abs } },
        { label: printed, printed: { algorithm: Gorila, regime: noop_starts } }] }
tables:
  - { id: table, kind: aggregates, title: Table, scores: { paper: other2016 }, columns: [{ label: Mean }], rows: [
        { label: DQN, scores: { algorithm: DQN } },
        { label: none, scores: { paper: third2017, algorithm: A }, printed: null }] }
claims:
  - { id: fits, kind: published_value, text: It fits., printed: { algorithm: DQN, metric: median_hns }, recomputed: { statistic: median }, tolerance: 1.0 }
  - { id: fits_too, extends: fits, text: It fits too., printed: { algorithm: DDQN }, recomputed: { normalisation: abs } }
"""


def written(project: Path, old: str = "", new: str = "") -> Path:
    """The house with these items in place of its own, after one edit of them."""
    path = project / PAPER
    head = path.read_text().split("figures:\n")[0]
    assert old in ITEMS
    path.write_text(head + ITEMS.replace(old, new, 1))
    return project


def shown(project: Path) -> dict[str, dict]:
    """Id -> figure, table or claim, as the analysis gets it."""
    paper, _ = Project(project).paper("house")
    return {item.id: json.loads(item.model_dump_json()) for item in (*paper.figures, *paper.tables, *paper.claims)}


def test_an_item_extends_another(project: Path):
    found = shown(written(project))
    whole, swept = found["whole"], found["swept"]
    assert whole["experiments"] == ["house.sweep"]  # its own need no paper
    assert swept["experiments"] == ["house.sweep", "house.base"]
    assert (whole["seeds"], swept["seeds"]) == (True, False)
    apart = ("id", "title", "experiments", "seeds")
    assert {k: v for k, v in whole.items() if k not in apart} == {k: v for k, v in swept.items() if k not in apart}
    assert "extends" not in swept and swept["where"] == {"optimizer.lr": 1e-3}
    assert found["fits_too"]["printed"] == found["fits"]["printed"] | {"algorithm": "DDQN"}
    assert found["fits_too"]["recomputed"]["statistic"] == "median"
    assert (found["fits"]["recomputed"]["normalisation"], found["fits_too"]["recomputed"]["normalisation"]) == (
        "standard",
        "abs",
    )


def test_published_numbers_are_of_the_files_paper_where_they_name_none(project: Path):
    both, other, printed = shown(written(project))["printed"]["bars"]
    dqn = {"paper": "schaul2016_per", "algorithm": "DQN", "regime": "human_starts"}
    assert both["printed"] == dqn | {"metric": "median_hns"}
    assert both["recomputed"] == {
        "scores": dqn | {"label": None},
        "statistic": "median",
        "normalisation": "standard",
        "game_set": None,
    }
    assert other["printed"] == {
        "paper": "other2016",
        "algorithm": "DDQN",
        "regime": "human_starts",
        "metric": "mean_hns",
    }
    assert (other["recomputed"]["scores"]["paper"], other["recomputed"]["statistic"]) == ("other2016", "mean")
    assert (printed["recomputed"], printed["printed"]["regime"]) == (
        None,
        "noop_starts",
    )  # what it does not name it has not
    rows = shown(project)["table"]["rows"]
    assert [row["scores"]["paper"] for row in rows] == ["other2016", "third2017"]
    assert [row["printed"] for row in rows] == [
        {"paper": "schaul2016_per", "algorithm": "DQN", "regime": "human_starts"},
        None,
    ]


def test_a_table_may_say_once_which_paper_it_quotes(project: Path):
    whose = written(project, "title: Table, scores", "title: Table, printed: { paper: fourth2018 }, scores")
    rows = shown(whose)["table"]["rows"]
    assert rows[0]["printed"] == {"paper": "fourth2018", "algorithm": "DQN", "regime": "human_starts"}
    assert rows[1]["printed"] is None
    assert {row["scores"]["regime"] for row in rows} == {"human_starts"}


def test_without_a_paper_each_number_says_its_own(project: Path):
    written(project, "published: { paper: schaul2016_per, regime: human_starts }\n", "")
    with pytest.raises(ConfigError) as error:
        Project(project).paper("house")
    said = {str(problem).partition(": ")[2] for problem in error.value.problems}
    assert "figures.2.bars.0.printed.paper: is missing" in said and "claims.0.printed.paper: is missing" in said
    assert all(each.endswith("paper: is missing") for each in said)


# What is edited, and the one problem that follows.
BAD = {
    "nobody": ("extends: whole", "extends: whol", "32: figures.1.extends: unknown figure 'whol'; did you mean 'whole'?"),
    "one of another list": ("extends: fits", "extends: whole", "claims.1.extends: unknown claim 'whole'"),
    "itself": ("extends: fits", "extends: fits_too", "claims.1.extends: unknown claim 'fits_too'"),
    "one that extends": ("id: whole,", "id: whole, extends: swept,", "swept extends another: one level is allowed"),
    "another kind": ("extends: fits,", "extends: fits, kind: published_below,", "claims.1.kind: fits is of another kind: only one of its own extends it"),
    "a list": ("extends: whole", "extends: [whole]", "32: figures.1.extends: text is wanted"),
    "without an id": ("id: swept, ", "", "32: figures.1.id: is missing"),
    "regime": ("regime: human_starts", "regime: human_start", "29: published.regime: unknown value 'human_start'; did you mean 'human_starts'?"),
    "key of the paper": ("regime: human_starts", "regim: human_starts", "29: published.regim: unknown key; did you mean 'regime'?"),
    "shared where no list is": ("id: whole,", "id: whole, printed: { metric: median_hns },", "31: figures.0.printed: unknown key"),
    "inherited": ("source: Figure 1", "source: 1", "31: figures.0.source: text is wanted"),
    "experiment": ("[sweep]", "[swep]", "31: figures.0.experiments.0: unknown experiment 'house.swep'; did you mean 'house.sweep'?"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_items_are_told_where_they_stand(project: Path, case: str):
    old, new, message = BAD[case]
    with pytest.raises(ConfigError) as error:
        Project(written(project, old, new)).paper("house")
    found = [str(problem) for problem in error.value.problems]
    assert any(message in said for said in found), found
    both = ("inherited", "shared where no list is", "one that extends")
    assert len(found) == (2 if case in both else 1), found  # of the one, and of the other that extends it


def test_an_editor_takes_what_the_loader_takes(project: Path):
    schema = json.loads(schemas()["paper.json"])
    data = load(written(project) / PAPER).data
    assert list(jsonschema.Draft7Validator(schema).iter_errors(data)) == []
    data["figures"][1]["titel"] = "Swept"
    assert list(jsonschema.Draft7Validator(schema).iter_errors(data)) != []
