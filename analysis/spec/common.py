"""What figures, tables and claims share: names, selectors of runs and of published numbers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator

from analysis.spec.metrics import Average

NAME = r"^[a-z0-9][a-z0-9_-]{0,63}$"
EXPERIMENT = r"^[a-z0-9_-]+\.[a-z0-9_-]+$"
GAME = r"^[a-z0-9_]+(/[a-z0-9_]+)?$"
Name = Annotated[str, Field(pattern=NAME)]
Experiment = Annotated[str, Field(pattern=EXPERIMENT)]
Game = Annotated[str, Field(pattern=GAME)]
FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*\.csv$")]
Normalisation = Literal[
    "raw",
    "standard",
    "vp0",
    "abs",
    "mnih2015",
    "gamer_dreamerv2",
    "record_dreamerv2",
    "clipped_record_dreamerv2",
    "saber",
    "minatar_dqn",
]
Statistic = Literal["mean", "median", "iqm", "optimality_gap"]
Regime = Literal[
    "noop_starts",
    "human_starts",
    "sticky_actions",
    "random_starts_unspecified",
    "standard_mdp",
    "flickering_p0.5",
    "dmlab30",
    "dmlab30_test",
]
Venue = Literal["icml", "neurips", "iclr", "jmlr", "tmlr", "aaai"]
Scale = Literal["smoke", "reduced", "paper"]
Tie = Annotated[
    float, Field(0.05, ge=0, lt=1, description="scores tie that differ by at most this share of the larger one's size")
]
NoRuns = Annotated[list[Experiment], Field(default_factory=list, max_length=0, description="always empty")]
Passing = Annotated[
    Literal["frames", "updates", "episodes", "hours"],
    Field("episodes", description="what is counted until a run is above the level"),
]
Value = bool | int | float | str | list[Any] | None
Verdict = Literal["reproduced", "recomputed", "not reproduced", "inconclusive", "not run at this scale"]
SCALES = get_args(Scale)


def right_name(bad: str) -> str:
    """The nearest name that a file, experiment or figure may have: MyPaper -> my_paper."""
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", bad).lower()
    return re.sub(r"[^a-z0-9_-]+", "_", parted).strip("_-")[:64]


def kinds(names: Mapping[str, Any], base: type[BaseModel]) -> dict[str, type[BaseModel]]:
    """kind -> model, of all models among a module's names that are of `base` and of a kind, in their order."""
    models = [m for m in names.values() if isinstance(m, type) and issubclass(m, base) and "kind" in m.model_fields]
    return {get_args(model.model_fields["kind"].annotation)[0]: model for model in models}


# Built when first used: of dozens of kinds a process uses few, and some commands none.
DEFERRED = ConfigDict(defer_build=True)


class Strict(BaseModel):
    """A model that refuses unknown keys and cannot be changed."""

    model_config = ConfigDict(extra="forbid", frozen=True, **DEFERRED)


class Interval(Strict):
    """Stratified bootstrap over seeds, games fixed."""

    method: Literal["rliable", "rescaled"] = Field(
        "rliable",
        description="rliable: draw n of n seeds per game, as in the literature; "
        "rescaled: draw n-1 of n, better coverage with few seeds",
    )
    level: float = Field(0.95, gt=0, lt=1, description="nominal coverage of the percentile interval")
    resamples: int = Field(2000, ge=100, le=100_000, description="bootstrap replicates")


# selectors into config/reference


class PublishedCurve(Strict):
    """A learning curve from a CSV in config/reference/curves; drawn dashed and named with its source."""

    file: FileName = Field(description="file name in config/reference/curves, e.g. sn_mean_hns_digitised.csv")
    algorithm: str = Field(description="value of the file's algorithm column")
    label: str | None = Field(None, description="legend text; default: the algorithm")
    source: str = Field(description="where the curve comes from, e.g. 'Young & Tian 2019, digitised'")
    statistic: Statistic | None = Field(
        None, description="aggregate curves only: the panel it belongs to; default: every panel"
    )


class PublishedScores(Strict):
    """The per-game scores one paper printed for one algorithm (rows of published_scores.csv)."""

    paper: str = Field(description="paper column, e.g. hessel2018_rainbow; default: the file's `published`")
    algorithm: str = Field(description="algorithm column, e.g. Rainbow")
    regime: Regime = Field(
        "noop_starts", description="how evaluation episodes start; default: the file's `published`, or noop_starts"
    )
    label: str | None = Field(None, description="legend text; default: the algorithm")


class PublishedNumbers(Strict):
    """The headline numbers that one paper printed of one algorithm (rows of published_aggregates.csv)."""

    paper: str = Field(description="paper column, e.g. gogianu2021_sn; default: the file's `published`")
    algorithm: str = Field(description="algorithm column, e.g. Rainbow")
    regime: Regime = Field(
        "noop_starts", description="how evaluation episodes start; default: the file's `published`, or noop_starts"
    )


class PublishedNumber(PublishedNumbers):
    """One headline number of a paper (a row of published_aggregates.csv)."""

    metric: str = Field(description="metric column, e.g. median_hns or max_mean_hns")


class Recomputation(Strict):
    """The same number, computed again from printed per-game scores."""

    scores: PublishedScores = Field(description="per-game rows to use; default: those of the number printed beside it")
    statistic: Literal["mean", "median"] = Field("mean", description="aggregation over games")
    normalisation: Normalisation = Field("standard", description="scale of each game's score")
    game_set: str | None = Field(None, description="game_set column of game_sets.csv; default: all games with rows")


class PublishedBar(Strict):
    """One bar: a printed number, its recomputation, or both side by side."""

    label: str = Field(description="text beside the bar")
    printed: PublishedNumber | None = Field(None, description="number as the paper printed it")
    recomputed: Recomputation | None = Field(None, description="number computed again from per-game scores")

    @model_validator(mode="after")
    def _one_of(self) -> PublishedBar:
        if self.printed is None and self.recomputed is None:
            raise ValueError("a bar needs 'printed', 'recomputed' or both")
        return self


Extended = Annotated[
    Name | None,
    Field(exclude=True, description="another one of its list that this changes, by its id: all else is as there"),
]


SCORES = ("evaluation_return", "training_return", "training_return_100")  # metrics in game score


class Shown(Strict):
    """What every figure and table has."""

    dreams: ClassVar[bool] = False  # whether it shows what a world model imagines, which runs do not leave
    id: Name = Field(description="file name of the figure, unique in its paper")
    extends: Extended = None
    title: str = Field(description="title in the report")
    source: str = Field("", description="the paper's own number, e.g. 'Figure 1'")
    caption: str = Field("", description="a sentence or two put before the generated caption")


class FromRuns(Strict):
    """Which runs, which metric, which scale."""

    pools: ClassVar[tuple[str, ...]] = ()  # statistics of its metric over games, which raw scores cannot have
    experiments: list[Experiment] = Field(
        min_length=1, description="whose runs are used: 'experiment' of the same file, or 'paper.experiment'"
    )
    metric: str = Field("evaluation_return", description="metric of the run summaries, e.g. training_return_100")
    variants: list[str] | None = Field(None, description="variants to use, in drawing order; default: all, by name")
    games: list[Game] | None = Field(None, description="games to use ('suite/name'); default: all, by name")
    where: dict[str, Value] = Field(default_factory=dict, description="keep runs whose varied keys have these values")
    normalisation: Normalisation = Field("raw", description="scale of scores; raw = game score")
    interval: Interval = Field(default_factory=Interval, description="bootstrap interval over seeds")
    window: int = Field(1, ge=1, description="trailing mean over this many checkpoints of each run, before all else")

    def averages(self) -> list[Average]:
        """All that it takes together over games."""
        return [Average(self.metric, self.normalisation, statistic) for statistic in self.pools]

    def metrics(self) -> dict[str, list[str]]:
        """Key -> the metrics that it names there."""
        return {key: [name] for key in ("metric", "x_metric") if (name := getattr(self, key, None)) is not None}


class Reduced(FromRuns):
    """Figures and tables with one number per run."""

    score: Literal["final", "best", "average"] = Field(
        "final",
        description="number made of a run's curve: last or best (optimistic) checkpoint, or mean over frames",
    )
