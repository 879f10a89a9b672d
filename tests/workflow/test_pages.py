"""What is drawn first, and what `run` says at its end of where all is."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from workflow import drawn, pages
from workflow.beforehand import ONE_SEED
from workflow.context import Context

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def context(tmp_path_factory):
    results = tmp_path_factory.mktemp("results")
    return Context.read(ROOT, {"results": str(results), "papers": ["acktr"]}, main=False)


def test_what_needs_no_run_is_drawn_before_any_is_trained(context):
    first = {
        name: drawn.priority(context, "figures", SimpleNamespace(paper="acktr", id=name))
        for name in ("scores_published", "minatar")
    }
    assert first == {"scores_published": drawn.FIRST, "minatar": 0} and drawn.FIRST > 1000


def test_the_end_says_where_what_is_asked_for_lies(context):
    shown = Path(context.shown)
    assert pages.made(context, ["acktr"]) == []
    for path in ("figures/acktr/minatar.pdf", "tables/acktr/minatar_scores.md", "report/index.html"):
        (shown / path).parent.mkdir(parents=True, exist_ok=True)
        (shown / path).touch()
    said = [f"figure: {shown}/figures/acktr/minatar.pdf", f"table: {shown}/tables/acktr/minatar_scores.md"]
    assert pages.made(context, ["acktr_figures"]) == said
    assert pages.made(context, ["acktr"]) == pages.made(context, []) == [*said, f"report: {shown}/report/index.html"]
    assert pages.made(context, [f"{shown}/scores/acktr.minatar.parquet"]) == []
    for path in drawn.files(context, "acktr"):
        Path(path).touch()
    assert pages.made(context, ["acktr"])[0] == f"figures: 19 in {shown}/figures/acktr/"


def test_films_of_its_runs_are_inputs_of_a_page(context):
    experiments = list(context.papers["acktr"].values())
    assert pages.films(context, experiments) == []
    run = next(iter(context.papers.runs("acktr.minatar")))
    videos = Path(context.results, "videos")
    videos.mkdir()
    for name in (f"{run}.gif", "another.gif", f"{run}.txt"):
        (videos / name).touch()
    assert pages.films(context, experiments) == [str(videos / f"{run}.gif")]


def test_what_is_known_of_claims_before_any_run_is_told_to_the_page(context):
    (paper,) = json.loads(pages.as_json(context, "impala"))
    assert paper["beforehand"] == dict.fromkeys(["more_settings", "more_settings_replay", "deep_better"], ONE_SEED)


def test_energy_is_what_the_config_says(context):
    assert json.loads(pages.energy(context)) == {"core_watts": 12, "gpu_watts": 400, "overhead": 1.67}
