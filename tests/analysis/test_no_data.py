"""No run has what a figure, table or claim asks for: the reason stands in its place, and nothing fails."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pandas as pd
import pytest

from analysis import style
from analysis.__main__ import main
from analysis.claims import check
from analysis.errors import NoData, UserError
from analysis.figure import make_figure
from analysis.files import resolve
from analysis.load import read_scores, select, write_scores
from analysis.metrics import known
from analysis.reference import Reference
from analysis.report import make_report
from analysis.spec.items import FIGURES, LearningCurves, claims_adapter, figure_adapter, table_adapter
from analysis.table import make_table
from tests.analysis import fake
from tests.analysis.test_figures import SPECS

KINDS = {
    **{kind: spec for kind, spec in SPECS.items() if "experiments" in spec},
    "scaling": {},
    "survival": {},
}  # every kind that shows runs
SHORT = "no evaluation has an episode that ended; is its budget of frames shorter than an episode?"


def scores_of(folder: Path, name: str, **options) -> Path:
    path = fake.experiment(folder, {"DQN": 4.0, "Rainbow": 6.0, "random policy": 1.0}, seeds=2, name=name, **options)
    out = folder / f"{name}.parquet"
    write_scores(path, folder / "runs", out)
    return out


@pytest.fixture(scope="module")
def short(tmp_path_factory) -> Path:
    """demo.short: runs that trained, and whose evaluations were too short for an episode."""
    folder = tmp_path_factory.mktemp("short")
    vary = ({"optimizer.lr": 1e-4, "optimizer.eps": 1e-4}, {"optimizer.lr": 1e-3, "optimizer.eps": 1e-4})
    metrics = fake.METRICS
    fake.METRICS = ("training_return_100",)
    try:
        return scores_of(folder, "short", vary=vary)
    finally:
        fake.METRICS = metrics


@pytest.fixture(scope="module")
def lost(tmp_path_factory) -> Path:
    """demo.lost: not a single run has finished."""
    names = [fake.run_name("lost", v, "minatar/breakout", seed) for v in range(3) for seed in range(2)]
    return scores_of(tmp_path_factory.mktemp("lost"), "lost", skip=tuple(names))


def figure(kind: str, name: str, **options):
    spec = KINDS[kind] | {"id": kind, "kind": kind, "title": kind, "experiments": [f"demo.{name}"], **options}
    if kind in ("learning_curves", "depth_bars"):
        spec |= {"reference_lines": ["random policy"]}
    if kind == "per_game_bars":
        spec |= {"published": [], "game_set": None}
    return figure_adapter.validate_python(spec)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_figure_says_why_it_is_empty(kind, short, reference):
    other = {"distribution": "none of the runs recorded it", "profile": "at a frame in common"}
    with style.context(), pytest.raises(NoData, match=re.escape(other.get(kind, SHORT))):
        resolve(FIGURES[kind])(figure(kind, "short"), read_scores([short]), Reference(reference))


def test_the_reason_stands_in_the_place_of_the_figure(short, reference, tmp_path):
    made = make_figure(figure("learning_curves", "short"), [short], reference, tmp_path / "f")
    assert all(path.stat().st_size for path in made) and len(made) == 5
    header = pd.read_csv(tmp_path / "f.csv")
    assert header.empty and list(header.columns) == ["panel", "label", "role", "frame", "value", "low", "high", "n"]
    caption = json.loads((tmp_path / "f.json").read_text())
    assert SHORT in caption["no_data"] and caption["runs"] == caption["missing"] == []
    assert "Not drawn: " in caption["text"] and caption["scales"][0]["budget_frames"] == 60_000
    assert "No data: " in (tmp_path / "f.svg").read_text()
    first = [path.read_bytes() for path in made]
    make_figure(figure("learning_curves", "short"), [short], reference, tmp_path / "f")
    assert first == [path.read_bytes() for path in made]


def test_a_metric_that_no_run_can_have_is_a_mistake(short, lost):
    def ask(path, name, metric):
        spec = {"id": "f", "kind": "learning_curves", "title": "T", "experiments": [f"demo.{name}"], "metric": metric}
        return select(read_scores([path]), LearningCurves.model_validate(spec))

    with pytest.raises(UserError, match=r"unknown metric 'evaluation_retrun'.* did you mean 'evaluation_r"):
        ask(short, "short", "evaluation_retrun")
    for metric in ("evaluation_return", "rho[-2]", "td_error[q50]", "episodes_to_solve_censored", "return_flicker_0.5"):
        assert known(metric)
        with pytest.raises(NoData, match="has a value of"):
            ask(short, "short", metric)
    with pytest.raises(NoData, match=r"no finished run in demo\.lost"):
        ask(lost, "lost", "evaluation_return")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"variants": ["DQM"]}, "unknown variant 'DQM'.*did you mean 'DQN'"),
        ({"games": ["minatar/brakout"]}, "did you mean 'minatar/breakout'"),
        ({"where": {"optimizer.rl": 1}}, "unknown varied key 'optimizer.rl'"),
        ({"reference_lines": ["Random"]}, "reference_lines names 'Random'"),
    ],
)
def test_mistakes_are_found_before_any_run_has_finished(change, message, lost, reference, tmp_path):
    spec = {"id": "f", "kind": "learning_curves", "title": "T", "experiments": ["demo.lost"]} | change
    with pytest.raises(UserError, match=message) as caught:
        make_figure(figure_adapter.validate_python(spec), [lost], reference, tmp_path / "f")
    assert not isinstance(caught.value, NoData) and list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["learning_speed", "ablation_drops", "per_game_bars"])
def test_names_of_runs_that_are_not_there_yet_are_no_mistake(kind, reference, tmp_path):
    """The baseline, or the full agent, is planned, and none of its runs has finished."""
    gone = [fake.run_name("part", 1, "atari/pong", seed) for seed in range(2)]
    scores = scores_of(tmp_path, "part", games=("atari/pong",), skip=tuple(gone))
    spec = figure(kind, "part", **({"baseline": "Rainbow"} if kind != "ablation_drops" else {}))
    make_figure(spec, [scores], reference, tmp_path / "f")
    caption = json.loads((tmp_path / "f.json").read_text())
    assert "Rainbow" in caption["no_data"] and caption["missing"] == sorted(gone)
    assert "2 planned run(s) are missing." in caption["text"]


def test_tables_and_claims_say_why_too(short, lost, reference, tmp_path):
    for path in (short, lost):
        spec = {"id": "t", "kind": "final_scores", "title": "T", "experiments": [f"demo.{path.stem}"]}
        make_table(table_adapter.validate_python(spec), [path], reference, tmp_path / path.stem)
        caption = json.loads((tmp_path / f"{path.stem}.json").read_text())
        assert pd.read_csv(tmp_path / f"{path.stem}.csv").empty
        assert caption["head"] == ["No data"] and caption["body"] == [[caption["no_data"]]]
        for suffix in ("md", "tex"):
            assert "No data" in (tmp_path / f"{path.stem}.{suffix}").read_text()
        claim = {"id": "c", "kind": "greater", "text": "T", "experiments": [f"demo.{path.stem}"], "a": "DQN", "b": 1.0}
        (told,) = check(claims_adapter.validate_python([claim]), [path], reference, tmp_path / "c.json")
        assert told["verdict"] == "not run at this scale"
        assert told["why"] == "the runs are missing" if path is lost else SHORT in told["why"]


def test_the_command_and_the_report_go_on(short, reference, tmp_path, capsys):
    spec = json.dumps({"id": "f", "kind": "learning_curves", "title": "T", "experiments": ["demo.short"]})
    common = ["--scores", str(short), "--reference", str(reference)]
    assert main(["figure", "--spec", spec, *common, "--out", str(tmp_path / "figures/demo/f")]) == 0
    assert capsys.readouterr().err == ""
    papers = [{"paper": "demo", "title": "Demo", "figures": [json.loads(spec)], "tables": []}]
    make_report(papers, tmp_path / "figures", [], [], tmp_path / "runs", tmp_path / "index.html")
    page = (tmp_path / "index.html").read_text()
    assert f"Not drawn: no run in demo.short has a value of evaluation_return: {SHORT}" in page
    assert "data:image/svg+xml" in page and "has not been drawn" not in page


def test_one_variant_or_game_without_a_score_leaves_the_others(reference, tmp_path):
    games = ("minatar/breakout", "minatar/asterix")
    gone = [fake.run_name("some", v, "minatar/asterix", seed) for v in range(3) for seed in range(2)]
    path = fake.experiment(tmp_path, {"DQN": 4.0, "Rainbow": 6.0, "random policy": 1.0}, games, seeds=2, name="some")
    runs = {e["run"]: e for e in json.loads(path.read_text())["runs"]}
    for run, entry in runs.items():
        if run in gone or entry["variant"] == "Rainbow":  # never evaluated to an end
            fake.write_run(tmp_path / "runs", run, *fake.curve(1.0), metrics=("training_return_100",))
    write_scores(path, tmp_path / "runs", tmp_path / "some.parquet")
    spec = figure("learning_curves", "some", seeds=False, published=[])
    make_figure(spec, [tmp_path / "some.parquet"], reference, tmp_path / "f")
    data = pd.read_csv(tmp_path / "f.csv")
    assert set(data.panel) == {"minatar/breakout"} and set(data.label) == {"DQN", "random policy"}
    caption = json.loads((tmp_path / "f.json").read_text())
    assert len(caption["without_score"]) == 8 and "8 run(s) left no score and are not drawn" in caption["text"]
    assert "No run has a score here" in (tmp_path / "f.svg").read_text()
