"""What the README and the guides show works as it is shown."""

from __future__ import annotations

import json
import re
import shlex

import pytest
import yaml

from agents.spec.run import VERSION, model_of
from tests.workflow.house import ROOT, build, snakemake
from workflow.config import Project
from workflow.expand import expand
from workflow.invocation import invocation
from workflow.overlay import merge
from workflow.parser import parser
from workflow.strict_yaml import load

README = (ROOT / "README.md").read_text()
RECIPES = (ROOT / "docs/adding.md").read_text()
NAMES = ("adding", "cluster", "tutorial", "troubleshooting")
GUIDES = [README, *((ROOT / f"docs/{name}.md").read_text() for name in NAMES)]
INLINE = re.compile(r"`((?:snakemake|make|python -m|\./arcade|arcade) [^`]*)`")


def snippet(heading: str) -> str:
    """The first YAML of a section."""
    section = RECIPES.split(f"## {heading}\n")[1].split("\n## ")[0]
    return section.split("```yaml\n")[1].split("```")[0]


def commands() -> list[str]:
    blocks = [block for text in GUIDES for block in re.findall(r"```sh\n(.*?)```", text, flags=re.DOTALL)]
    lines = [line.split("  #")[0].strip() for block in blocks for line in block.splitlines()]
    inline = [word for text in GUIDES for word in INLINE.findall(text)]
    return [line for line in [*lines, *inline] if line]


def test_each_paper_is_named():
    assert [name for name in Project(ROOT).paper_names if f"`{name}`" not in README] == []


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory):
    """A checkout with the README's algorithm and paper, and the main config as shipped."""
    folder = build(tmp_path_factory.mktemp("readme") / "a")
    (folder / "config/config.yaml").write_text((ROOT / "config/config.yaml").read_text().replace("[demo]", "[house]"))
    (folder / "config/algorithms/my_dqn.yaml").write_text(snippet("Add an algorithm"))
    (folder / "config/papers/my_paper.yaml").write_text(snippet("Add a paper"))
    return folder


@pytest.mark.parametrize("scale", ["smoke", "reduced", "paper"])
def test_the_papers_snippet_expands_at_every_scale(checkout, scale: str):
    project = Project(checkout, {"scale": scale})
    project.check(["my_paper"])
    found = expand(project, "my_paper")["lr"]
    assert (found.scale, found.budget_frames, found.seeds, len(found.points)) == ("paper", 1_000_000, [0, 1, 2], 2)
    assert [point.variant for point in found.points] == ["My DQN"] * 2
    messages = [doubt.message for doubt in found.doubts]
    assert messages == ([] if scale == "paper" else [f"has no scale {scale!r}: it runs as in the paper"])


def test_the_shrinking_snippet_shrinks(checkout):
    paper = merge(yaml.safe_load(snippet("Add a paper")), yaml.safe_load(snippet("Shrink an experiment")))
    (checkout / "config/papers/shrunk.yaml").write_text(yaml.safe_dump(paper).replace("my_paper.lr", "shrunk.lr"))
    found = expand(Project(checkout, {"scale": "reduced"}), "shrunk")
    (checkout / "config/papers/shrunk.yaml").unlink()
    assert found["lr"].reduced.startswith("2 of 3 seeds, 50k of 1M frames; ")
    assert found["longer"].reduced.startswith("2 of 3 seeds, 100k of 2M frames; ")
    assert json.loads(found["longer"].points[0].template)["evaluation"]["every_frames"] == 20_000  # 20 %


def test_the_papers_command_runs(checkout):
    assert "`snakemake --cores all my_paper`" in RECIPES
    done = snakemake(checkout, "--cores", "all", "my_paper")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "note: config/papers/my_paper.yaml:7: experiments.lr: has no scale 'reduced': it runs as in" in done.stderr
    assert len(list((checkout / "results/runs").iterdir())) == 6
    assert (checkout / "results/reduced/figures/my_paper/curves.pdf").exists()


def test_the_games_snippet_is_accepted(checkout):
    games = yaml.safe_load(snippet("Add a game"))["experiments"]["breakout"]["games"]
    project = Project(checkout)
    assert project.games_of(games) == games and set(games) <= project.games
    assert {"minatar5", "atari57"} <= set(project.game_sets)


def test_the_executors_lines_are_accepted(checkout):
    section = RECIPES.split("## Add an algorithm\n")[1].split("\n## ")[0]
    lines = [line.split(" #")[0].strip() for line in section.splitlines() if line.startswith("  executor:")]
    assert len(lines) == 3
    for line, algorithm in zip(lines, ("dqn_minatar_sn", "dqn_minatar_sn", "a3c_ff"), strict=True):
        executor = yaml.safe_load(line)["executor"]
        tree = merge(Project(checkout).algorithm(algorithm).spec, {"environment": {"game": "any"}})
        if executor["kind"] == "processes":
            tree["environment"]["streams"] = executor["actors"]
        given = {"version": VERSION, "seed": 0, "budget_frames": 1, "device": "cpu", "threads": 1, "executor": executor}
        assert model_of(tree).model_validate(tree | given).executor.model_dump() == executor


def test_the_commands_are_ones_that_there_are(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(ROOT)
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    seen = set()
    for line in commands():
        words = shlex.split(line)
        seen.add(words[0])
        if words[0] == "make":
            assert words[1] in targets, line
        elif words[0] == "snakemake":
            assert invocation(words[1:]), line
        elif words[:3] == ["python", "-m", "workflow"]:
            assert parser().parse_args(words[3:]), line
        elif words[0] in ("arcade", "./arcade") and words[1:] != ["--help"]:
            assert parser().parse_args(words[1:]), line
    assert {"make", "snakemake", "python", "./arcade"} <= seen


def test_the_shown_files_are_plain_yaml(tmp_path):
    for heading in ("Add a game", "Add an algorithm", "Add a paper", "Shrink an experiment"):
        (tmp_path / "shown.yaml").write_text(snippet(heading))
        assert load(tmp_path / "shown.yaml").data
