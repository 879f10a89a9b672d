"""Which run's world model a figure shows, and what is made of it."""

from types import SimpleNamespace

import pytest

from tests.workflow.house import ROOT
from workflow import drawn
from workflow.context import Context
from workflow.strict_yaml import ConfigError
from workflow.targets import runs_behind


def context(tmp_path, **overrides) -> Context:
    return Context.read(ROOT, {"scale": "smoke", "results": str(tmp_path), **overrides}, main=False)


def test_a_figure_shows_the_first_run_of_its_variant(tmp_path):
    here = context(tmp_path)
    run = drawn.dreamt(here, drawn.item(here, "figures", "dreamerv2", "dreams_gaussian"))
    assert (run.point.variant, run.game, run.seed) == ("no discrete latents", "minatar/breakout", 0)
    names = SimpleNamespace(paper="dreamerv2", id="dreams_gaussian")
    assert drawn.dream(here, names)["mark"] == here.finished.mark(run)
    folder = here.finished.folder(run)
    assert drawn.dream_options(here, names) == ["--run", str(folder), "--steps", "20", "--context", "5"]
    assert drawn.inputs(here, "figures", names)["dreams"] == drawn.animation(here, names)["dreams"]
    made = drawn.animation(here, names)["dreams"][0]
    assert run.name in runs_behind(here, [made]).keys() & runs_behind(
        here, [f"{here.shown}/figures/dreamerv2/dreams.gif"]
    )
    files = drawn.files(here, "dreamerv2")
    assert [file.removeprefix(f"{here.shown}/figures/dreamerv2/") for file in files if file.endswith(".gif")] == [
        "dreams.gif", "dreams_gaussian.gif", "dreams_unshaped.gif"
    ]  # fmt: skip
    assert drawn.dreamt(here, here.project.paper("dreamerv2")[0].figures[0]) is None


def test_what_is_not_finished_does_not_dream_where_nothing_is_trained(tmp_path):
    here = context(tmp_path, partial=True)
    names = SimpleNamespace(paper="dreamerv2", id="dreams")
    assert drawn.inputs(here, "figures", names)["dreams"] == []
    with pytest.raises(ConfigError, match="figure 'dreams' shows no world model of a run at this scale"):
        drawn.dream(here, names)
