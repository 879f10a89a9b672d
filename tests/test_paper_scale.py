"""Figures have room for all that the papers' own experiments put into them: many games, many settings, long names.

Of each kind the figure of most runs, as far as these are quickly made up; `python -m tests.paper_scale` draws all.
"""

import pytest

from analysis import style
from analysis.reference import Reference
from analysis.spec import FIGURES
from tests import paper_scale
from tests.paper_scale import ROOT, runs

MOST = 500  # runs of a seed
AT = paper_scale.context()
ALL = [(paper, spec) for paper in AT.project.paper_names for spec in paper_scale.figures(AT, paper)]
LARGEST = {
    kind: max(
        ((paper, spec) for paper, spec in ALL if spec.kind == kind and runs(AT, spec) <= MOST),
        key=lambda named: runs(AT, named[1]),
    )
    for kind in FIGURES
}


@pytest.mark.parametrize("kind", FIGURES)
def test_nothing_is_cut_off_or_lies_on_something(kind):
    paper, spec = LARGEST[kind]
    with style.context():
        drawing, faults = paper_scale.laid_out(AT, spec, Reference(ROOT / "config" / "reference"))
        style.plt.close(drawing.figure)
    assert faults == [], f"{paper}.{spec.id}"
