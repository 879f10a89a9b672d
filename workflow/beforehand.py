"""What is known of a claim's verdict before anything has run."""

from __future__ import annotations

from analysis.spec.items import ClaimSpec
from workflow.config import Project

ONE_SEED = "one seed a game at the paper's scale: no verdict at n = 1"


def told(project: Project, claim: ClaimSpec) -> str:
    """What keeps the runs of the paper's scale from deciding a claim, '' for nothing.

    Several experiments each have one side of a comparison: a side of one seed is enough to leave no interval.
    """
    named = (name.partition(".") for name in claim.experiments)
    experiments = [project.paper(paper)[0].experiments[key] for paper, _, key in named]
    alone = any(len(each.seeds) == 1 for each in experiments)
    return ONE_SEED if claim.within_games and alone else ""
