"""What `gc` may name: nothing that a paper asks for, however its file is called and wherever its runs were trained."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.workflow.house import build, seal
from workflow import drawn, gc
from workflow.context import Context
from workflow.strict_yaml import ConfigError
from workflow.targets import runs_behind


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(build(tmp_path / "a"))
    return Path.cwd()


def finish(**overrides: object) -> str:
    """Seal one run as it is asked for with these overrides; -> its name."""
    context = Context.read(Path.cwd(), dict(overrides), main=False)
    name = next(iter(runs_behind(context, [])))
    seal(context, name)
    return name


def named(**overrides: object) -> list[str]:
    context = Context.read(Path.cwd(), dict(overrides), main=False)
    return [str(each.path) for each in gc.waste(context, time.time())]


@pytest.mark.parametrize("other", [{"threads": 2}, {"device": "cuda"}, {"threads": 3, "scale": "smoke"}])
def test_runs_trained_with_other_threads_or_on_another_device_are_kept(house: Path, other: dict[str, object]):
    assert finish() and finish(**other)
    assert named() == named(**other) == []


def test_a_run_that_no_paper_asks_for_is_named(house: Path):
    name = finish(threads=2)
    paper = house / "config" / "papers" / "house.yaml"
    paper.write_text(paper.read_text().replace("budget_frames: 1000", "budget_frames: 2000"))
    found = named()
    assert f"results/runs/{name}" in found and any(path.startswith("results/store/") for path in found)


def test_what_was_drawn_for_papers_and_figures_that_are_gone_is_named_at_every_scale(house: Path):
    """And nothing of those that are there, at any scale, nor what is being written."""
    finish()
    context = Context.read(Path.cwd(), {}, main=False)
    kept = [*drawn.files(context, "house"), f"{context.shown}/claims/house.json"]
    kept += [f"{context.shown}/scores/house.{key}.parquet" for key in context.papers["house"]]
    assert any("/figures/" in path for path in kept) and len(kept) > 6
    kept += [path.replace(f"/{context.config.scale}/", "/smoke/") for path in kept]
    gone = [
        *(f"results/{scale}/figures/house/old.v2.csv" for scale in ("reduced", "paper")),
        "results/smoke/figures/deleted/curves.png",
        "results/smoke/tables/deleted/scores.md",
        "results/smoke/claims/deleted.json",
        "results/smoke/dreams/house/old.parquet",
        "results/reduced/scores/house.old.parquet",
        "results/reduced/scores/deleted.base.parquet",
    ]
    written = "results/reduced/figures/house/.curves.png.host.1.abcd.part"
    for path in (*kept, *gone, written):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).touch()
    assert named() == sorted(gone)
    assert "removed" in gc.collect(context, True, time.time()) and named() == []
    assert all(Path(path).exists() for path in (*kept, written))


def test_what_is_drawn_is_kept_as_long_as_a_file_of_config_has_it(house: Path):
    """Whatever the scale; and what somebody put beside it is theirs."""
    made = ("figures/house/curves.csv", "scores/house.base.parquet", "claims/house.json", "report/index.html",
            "report/house.html", "experiments/house.base/runs.json", "dreams/house/bars.parquet",
            "sheets/house.png", "figures/house/mine.txt", "notes.txt")  # fmt: skip
    gone = ("figures/house/curve.csv", "figures/other/curves.gif", "tables/house/curves.md",
            "scores/house.bass.parquet", "claims/other.json", "report/other.html",
            "experiments/other.base/runs.json", "dreams/house/bar.parquet",
            "sheets/other.png")  # fmt: skip
    places = ("results/smoke", "results/paper", "results/paper/partial")
    for path in (Path(place, name) for place in places for name in (*made, *gone)):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("made")
    wanted = sorted(f"{place}/{name.removesuffix('/runs.json')}" for place in places for name in gone)
    assert sorted(named()) == wanted
    context = Context.read(house, main=False)
    assert gc.collect(context, True, time.time()).endswith(" removed") and named() == []
    assert not Path("results/smoke/figures/other").exists()
    assert all(Path(place, name).exists() for place in places for name in made)


def test_what_the_pipeline_never_makes_there_is_somebodys_own(house: Path, tmp_path: Path):
    """By its name, as a folder where files are made or a file where folders are, as a link, or as behind a link."""
    finish()
    kept = [f"results/paper/figures/{name}.csv" for name in ("house/my notes", "house/größe", "house/", "My plots/old")]
    kept += ["results/paper/figures/house/old.png/page", "results/paper/scores/mine.parquet"]
    kept += ["results/paper/experiments/mine/notes", "results/paper/claims/Mine.json"]
    kept += ["results/work/notes.txt", "results/work/mine/notes", "results/runs/README.md", "results/runs/mine/x"]
    kept += ["results/sealed/README", "results/store/mine/abc/x"]
    outside = tmp_path / "outside"
    for path in (*map(Path, kept), outside / "old.png", outside / "run.json"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("mine")
    gone, drawn = f"dqn.minatar-breakout.s0.{'a' * 12}", ("paper/figures/linked", "paper/experiments/old.base")
    for link in (*drawn, f"runs/{gone}", f"work/{gone}", f"store/{'a' * 64}"):
        Path("results", link).symlink_to(outside)
    Path("results/paper/figures/house/old.svg").symlink_to(outside / "old.png")
    Path("results/paper/figures/house/old.csv").symlink_to("/nowhere")
    assert named() == []
    Path("results/paper/figures/house/old.pdf").touch()
    context = Context.read(house, main=False)
    assert gc.collect(context, True, time.time()).endswith(" removed") and named() == []
    assert all(Path(path).exists() for path in kept) and len(list(outside.iterdir())) == 2
    assert Path("results/paper/figures/house/old.svg").is_symlink()


def test_what_cannot_be_removed_is_told_and_the_rest_goes(house: Path, monkeypatch: pytest.MonkeyPatch):
    finish()
    locked, other = (Path("results/paper/experiments", f"old.{key}") for key in "ab")
    for folder in (locked, other):
        folder.mkdir(parents=True)
    remove = gc.shutil.rmtree

    def refused(path: Path) -> None:
        if path == locked:
            raise PermissionError(13, "Permission denied", str(path))
        remove(path)

    monkeypatch.setattr(gc.shutil, "rmtree", refused)
    with pytest.raises(ConfigError, match=f"what could is gone:\n  {locked}: Permission denied$"):
        gc.collect(Context.read(house, main=False), True, time.time())
    assert locked.exists() and not other.exists()


def test_nothing_is_named_while_a_paper_has_a_name_that_is_not_read(house: Path):
    finish()
    papers = house / "config" / "papers"
    (papers / "other.yaml").write_text((papers / "house.yaml").read_text().replace("house.", "other."))
    (papers / "house.yaml").rename(papers / "House.yml")
    config = house / "config" / "config.yaml"
    config.write_text(config.read_text().replace("papers: [house]", "papers: [other]"))
    with pytest.raises(ConfigError, match=r"House\.yml: not read under this name"):
        named()
