"""What all kinds of figures have, and those of curves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, model_validator

from analysis.spec.common import FromRuns, PublishedCurve, Shown, Venue
from analysis.spec.metrics import Average

Column = Annotated[Literal["single", "double"], Field(description="width: one column or the whole page")]
Panels = Annotated[int, Field(3, ge=1, le=8, description="panels per row at most")]
By = Annotated[
    list[str],
    Field(default_factory=list, description="varied keys whose values have panels of their own, e.g. the network's"),
]
Clock = Annotated[
    Literal["frames", "updates", "episodes", "hours"],
    Field("frames", description="x axis; but for frames, runs are averaged at even steps of their own clocks"),
]


class Drawn(Shown):
    """What every figure has."""

    venue: Venue = Field("icml", description="page format that sets the widths")
    column: Column = "double"


class OverGames(FromRuns):
    """One panel per statistic over games."""

    if TYPE_CHECKING:  # a field of each kind, in its place and with its defaults
        statistics: list[str]

    def averages(self) -> list[Average]:
        """One of each panel."""
        return [Average(self.metric, self.normalisation, statistic) for statistic in self.statistics]


class Curved(Drawn, FromRuns):
    """Curves over frames or another clock, with published curves, which are over frames alone."""

    x: Clock
    reference_lines: list[str] = Field(
        default_factory=list,
        description="variants drawn as dotted horizontal lines at their mean, e.g. a random policy",
    )
    published: list[PublishedCurve] = Field(default_factory=list, description="published curves to overlay")

    @model_validator(mode="after")
    def _one_clock(self) -> Curved:
        if self.published and self.x != "frames":
            raise ValueError(f"published curves are over frames, but x is {self.x!r}: leave one of them out")
        return self
