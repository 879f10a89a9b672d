"""Everything that is wrong with config/: all files, and each paper at each scale."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from analysis.spec.items import SCALES
from workflow.config import Project
from workflow.doubled import doubled
from workflow.expand import Papers
from workflow.strict_yaml import ConfigError, Problem


class Checked(NamedTuple):
    """`notes`: what is no mistake and good to know."""

    problems: list[Problem]
    notes: list[Problem]
    algorithms: int
    papers: int

    def facts(self) -> dict[str, Any]:
        """The same for machines."""

        def told(problem: Problem) -> dict[str, Any]:
            return {**problem._asdict(), "location": ".".join(map(str, problem.location))}

        found = self._asdict()
        return {**found, "problems": list(map(told, self.problems)), "notes": list(map(told, self.notes))}


def check(root: Path, overrides: dict[str, Any]) -> Checked:
    """Read all of config/. Raises ConfigError for what is no problem of a file."""
    project = Project(root, overrides)
    problems: dict[Problem, None] = {}
    notes: dict[Problem, list[str]] = {}  # and the scales at which each holds, where it hangs on one
    try:
        project.check()
        notes |= {note: [] for note in project.unused_presets()}
        for scale in SCALES:
            papers = Papers(Project(root, overrides | {"scale": scale}))
            for paper in project.paper_names:
                try:
                    for doubt in dict.fromkeys(d for each in papers[paper].values() for d in each.doubts):
                        notes.setdefault(doubt, []).append(scale)
                    problems |= dict.fromkeys(doubled(papers, paper))
                except ConfigError as error:
                    problems |= dict.fromkeys(error.problems)
    except ConfigError as error:
        if not error.problems:
            raise
        problems |= dict.fromkeys(error.problems)
    told = [_at_scales(note, scales) for note, scales in notes.items()]
    return Checked(list(problems), told, len(project.algorithm_names), len(project.paper_names))


def _at_scales(note: Problem, scales: list[str]) -> Problem:
    where = f" (scale{'s' * (len(scales) > 1)} {', '.join(scales)})" if scales else ""
    return note._replace(message=note.message + where)
