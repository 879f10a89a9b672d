"""Figures have room for all that the papers' own experiments put into them: many games, many settings, long names.

Of each kind the figure of most runs, as far as these are quickly made up; `python -m tests.paper_scale` draws all.
"""

import pytest

from analysis import style
from analysis.reference import Reference
from analysis.spec.items import FIGURES
from tests import paper_scale
from tests.paper_scale import ROOT, runs

MOST = 500  # runs of a seed


@pytest.fixture(scope="module")
def at():
    """All papers at their own scale: expanded for this module alone, since each worker reads every module."""
    return paper_scale.context()


@pytest.fixture(scope="module")
def largest(at):
    """Kind -> paper, and its figure of that kind with the most runs."""
    found = {}
    for paper in at.project.paper_names:
        for spec in paper_scale.declared(at, paper, "figures"):
            size = runs(at, spec)
            if size <= MOST and (spec.kind not in found or size > found[spec.kind][0]):
                found[spec.kind] = size, paper, spec
    return {kind: named for kind, (_, *named) in found.items()}


@pytest.mark.parametrize("kind", FIGURES)
def test_nothing_is_cut_off_or_lies_on_something(kind, at, largest):
    paper, spec = largest[kind]
    with style.context():
        drawing, faults = paper_scale.laid_out(at, spec, Reference(ROOT / "config" / "reference"))
        style.plt.close(drawing.figure)
    assert faults == [], f"{paper}.{spec.id}"
