"""Every figure, table and claim that the papers declare, made at the papers' own scale of made-up scores.

    python -m tests.paper_scale [PAPER …] [--out FOLDER]

prints what is cut off or lies on something in a figure, and keeps pictures of it; and every table and claim that ends
with an error. All papers take minutes, so that the test of this (tests/test_paper_scale.py) makes a part of them.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from pydantic import TypeAdapter

from analysis import style
from analysis.errors import UserError
from analysis.figure import draw
from analysis.figures.common import Drawing
from analysis.files import resolve
from analysis.load import Scores
from analysis.reference import Reference
from analysis.spec.items import (
    CLAIMS,
    TABLES,
    ClaimSpec,
    FigureSpec,
    FromRuns,
    Interval,
    TableSpec,
    figure_adapter,
    table_adapter,
)
from tests import made_up
from tests.analysis import layout
from workflow.context import Context
from workflow.drawn import as_json

ROOT = Path(__file__).resolve().parents[1]
ADAPTERS = {"figures": figure_adapter, "tables": table_adapter, "claims": TypeAdapter(ClaimSpec)}
FEW = Interval(resamples=100)  # bands are as wide as they are, roughly


def context() -> Context:
    """The checkout at the papers' scale."""
    return Context.read(ROOT, {"scale": "paper"}, main=False)


def declared(at: Context, paper: str, part: str) -> Iterator[FigureSpec | TableSpec | ClaimSpec]:
    """A paper's `figures`, `tables` or `claims` as they are made, but with quick intervals."""
    for item in getattr(at.project.paper(paper)[0], part):
        spec = ADAPTERS[part].validate_json(as_json(at, item))
        yield spec.model_copy(update={"interval": FEW}) if isinstance(spec, FromRuns) else spec


def runs(at: Context, spec: FigureSpec | TableSpec | ClaimSpec) -> int:
    """How many runs its experiments have of a seed."""
    experiments = [at.papers.experiment(name) for name in spec.experiments]
    return sum(len(each.points) * len(each.games) for each in experiments)


def scores(at: Context, spec: FigureSpec | TableSpec | ClaimSpec, reference: Reference, folder: Path) -> Scores:
    """What it reads, made up."""
    return made_up.scores(spec, [at.papers.experiment(name) for name in spec.experiments], reference, folder)


def laid_out(at: Context, spec: FigureSpec, reference: Reference) -> tuple[Drawing, list[str]]:
    """The figure, and what is wrong with its layout. To be called in `style.context`."""
    with TemporaryDirectory() as folder:
        drawing = draw(spec, scores(at, spec, reference, Path(folder)), reference)
    drawing.figure.draw_without_rendering()
    return drawing, layout.faults(drawing.figure)


def made(at: Context, spec: TableSpec | ClaimSpec, reference: Reference) -> None:
    """Make the table or judge the claim. UserError for what cannot be made as the paper's file asks."""
    with TemporaryDirectory() as folder:
        resolve((TABLES | CLAIMS)[spec.kind])(spec, scores(at, spec, reference, Path(folder)), reference)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("papers", nargs="*", help="default: all")
    parser.add_argument("--out", type=Path, help="folder for pictures of what is wrong")
    given = parser.parse_args()
    at, reference = context(), Reference(ROOT / "config" / "reference")
    for paper in given.papers or at.project.paper_names:
        for spec in declared(at, paper, "figures"):
            with style.context():
                drawing, faults = laid_out(at, spec, reference)
                print(f"{paper}.{spec.id}: {'; '.join(faults) or 'well'}", flush=True)
                if faults and given.out:
                    given.out.mkdir(parents=True, exist_ok=True)
                    drawing.figure.set_layout_engine("none")
                    drawing.figure.savefig(given.out / f"{paper}.{spec.id}.png")
                style.plt.close(drawing.figure)
        for spec in (*declared(at, paper, "tables"), *declared(at, paper, "claims")):
            try:
                made(at, spec, reference)
            except UserError as error:
                print(f"{paper}.{spec.id}: {error}", flush=True)


if __name__ == "__main__":
    main()
