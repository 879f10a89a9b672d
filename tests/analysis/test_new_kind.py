"""A new kind of figure takes its model, its module and a test: in a copy of the code nothing else is touched."""

import json
import os
import subprocess
import sys

import pandas as pd

from tests.workflow.house import PAPER, build

MODEL = '''\
class SeedDots(Drawn, Reduced):
    """One dot per run."""

    kind: Literal["seed_dots"]
    height: float = Field(1.5, gt=0, description="of the panel, inches")


'''
MODULE = '''\
"""One dot per run."""

from analysis import caption
from analysis.curves import by_label
from analysis.figures import common
from analysis.load import Scores, select
from analysis.reference import Reference
from analysis.spec.items import SeedDots


def draw(spec: SeedDots, scores: Scores, reference: Reference) -> common.Drawing:
    curves = by_label(select(scores, spec), spec.variants, spec.window, spec.score)
    figure, (axes,) = common.grid(spec, 1, 1, spec.height, [])
    sheet = common.Sheet()
    for at, (label, group) in enumerate(curves.items()):
        axes.plot([at] * len(group.runs), group.numbers, "o")
        sheet.rows += [common.row("", label, "dot", None, value) for value in group.numbers]
    return common.Drawing(figure, sheet.table(), caption.from_runs(spec, scores, curves, interval=False))
'''
ITEM = "  - { id: dots, kind: seed_dots, title: Dots, experiments: [house.base], height: 2 }\n"


def test_a_figure_kind_takes_its_model_and_its_module(house, reference, tmp_path):
    folder = build(tmp_path / "copy")
    models = folder / "analysis/spec/figures.py"
    text = models.read_text()
    models.write_text(text.replace("class PublishedBars(", MODEL + "class PublishedBars("))
    (folder / "analysis/figures/seed_dots.py").write_text(MODULE)
    paper = folder / "config/papers/house.yaml"
    paper.write_text(PAPER.replace("claims:\n", ITEM + "claims:\n"))

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", *words]
        environment = os.environ | {"PYTHONPATH": str(folder)}
        return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)

    spec = {"id": "dots", "kind": "seed_dots", "title": "Dots", "experiments": ["demo.breakout"], "variants": ["DQN"]}
    where = ["--reference", str(reference), "--out", str(folder / "out/dots")]
    drawn = run("analysis", "figure", "--spec", json.dumps(spec), "--scores", str(house.scores[0]), *where)
    assert drawn.returncode == 0, drawn.stderr
    assert {path.name for path in (folder / "out").iterdir()} == {
        f"dots.{s}" for s in ("pdf", "svg", "png", "csv", "json")
    }
    table = pd.read_csv(folder / "out/dots.csv")
    assert list(table.label) == ["DQN"] * 3 and table.value.between(3, 5).all()
    assert json.loads((folder / "out/dots.json").read_text())["kind"] == "seed_dots"
    # Papers may ask for it, editors know it, and its own code makes it new.
    assert run("workflow", "check").stdout.startswith("config/ is in order")
    planned = run("snakemake", "results/paper/figures/house/dots.svg", "-n", "--quiet", "host")
    assert "rule figure:" in planned.stdout and "house.base.parquet" in planned.stdout, planned.stderr
    assert run("workflow", "schema").stdout == "config/schema/paper.json\n"
    assert '"SeedDots"' in (folder / "config/schema/paper.json").read_text()
    paper.write_text(paper.read_text().replace("height: 2", "height: 0"))
    assert "height: must be greater than 0" in run("workflow", "check").stderr
