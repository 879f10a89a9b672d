"""Everything that is wrong with config/: all files, and each paper at each scale."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from analysis.spec import SCALES
from workflow.config import Project
from workflow.expand import expand
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
    notes: dict[Problem, None] = {}
    try:
        project.check()
        notes |= dict.fromkeys(project.unused_presets())
        for scale in SCALES:
            scaled = Project(root, overrides | {"scale": scale})
            for paper in project.paper_names:
                try:
                    doubts = (doubt for each in expand(scaled, paper).values() for doubt in each.doubts)
                    notes |= dict.fromkeys(said._replace(message=f"{said.message} (scale {scale})") for said in doubts)
                except ConfigError as error:
                    problems |= dict.fromkeys(error.problems)
    except ConfigError as error:
        if not error.problems:
            raise
        problems |= dict.fromkeys(error.problems)
    return Checked(list(problems), list(notes), len(project.algorithm_names), len(project.paper_names))
