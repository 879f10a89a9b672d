"""What every part of the workflow looks at: one checkout, one configuration, one results folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agents.run.code import Code
from workflow.config import Project
from workflow.expand import Papers
from workflow.finished import Finished
from workflow.inputs import Inputs
from workflow.main_config import Config

_inherited: list[Context] = []  # in a fork: what the process that made it has read already (`Context.hand_on`)


@dataclass(frozen=True)
class Context:
    """`shown`: the folder of what is drawn. It is one per scale; runs are shared, since their names say all that made
    them. `trains`: whether runs that are not finished are trained, not passed over. `limits`: resource -> the most of
    it that the runs at work on this machine may use together.
    """

    root: Path
    project: Project
    papers: Papers
    code: Code
    results: str
    shown: str
    inputs: Inputs
    finished: Finished
    trains: bool
    limits: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def read(
        cls,
        root: Path | str,
        overrides: dict[str, Any] | None = None,
        main: bool = True,
        dryrun: Callable[[], bool] = lambda: False,
        trains: bool = True,
    ) -> Context:
        """The context of a checkout; `overrides` go over config/config.yaml. Raises ConfigError.

        `main`: this is the process that plans and submits, not one inside a job; only it writes the small files that
        jobs take as inputs, and shows results again. `dryrun`: nothing is written.
        """
        root = Path(root).resolve()
        same = [each for each in _inherited if (each.root, each.project.overrides) == (root, overrides or {})]
        project = same[0].project if same else Project(root, overrides)
        papers, code = (same[0].papers, same[0].code) if same else (Papers(project), Code(root))
        config = project.config
        results = config.results.rstrip("/")
        return cls(
            root,
            project,
            papers,
            code,
            results,
            f"{results}/{config.scale}" + ("/partial" if config.partial else ""),
            Inputs(results, code, main, dryrun),
            Finished(Path(results), code, config.code_changes == "ignore", main, dryrun),
            trains and not config.partial,
        )

    def hand_on(self) -> None:
        """Have this process, a fork that plans the same, take over what was read, expanded and fingerprinted."""
        _inherited[:] = [self]

    @property
    def config(self) -> Config:
        return self.project.config
