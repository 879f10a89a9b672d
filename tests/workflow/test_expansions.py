"""The shipped papers ask for the runs that are recorded, at all three scales."""

from __future__ import annotations

import pytest

from tests.workflow.expansions import ROOT, differences, of_paper, recorded
from workflow.config import Project


def test_every_paper_is_recorded():
    assert sorted(recorded()) == sorted(Project(ROOT).paper_names)


@pytest.mark.parametrize("paper", Project(ROOT).paper_names)
def test_the_runs_are_those_recorded(paper: str):
    found = differences(recorded()[paper], of_paper(paper))
    assert found == [], "if this is meant: `python -m tests.workflow.expansions --write`"
