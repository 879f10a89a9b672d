"""What a paper may ask of the analysis: figures, tables and claims, as typed models (pydantic only).

A paper's YAML holds lists of these. Each model is one *kind*; `kind` picks it, unknown keys are refused. A
new kind needs a model here, its entry in the union and in the registry below, and one module with one
function. `normalisation` and `interval` have defaults here; whoever builds the JSON may fill them from the
main config.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
Experiment = Annotated[str, Field(pattern=r"^[a-z0-9_-]+\.[a-z0-9_-]+$")]
Game = Annotated[str, Field(pattern=r"^[a-z0-9_]+(/[a-z0-9_]+)?$")]
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
]
Venue = Literal["icml", "neurips", "iclr", "jmlr", "tmlr", "aaai"]
Value = bool | int | float | str | list[Any] | None
Verdict = Literal["reproduced", "not reproduced", "inconclusive", "not run at this scale"]
SCALES = ("smoke", "reduced", "paper")


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Interval(Strict):
    """Stratified bootstrap over seeds, games fixed."""

    method: Literal["rliable", "rescaled"] = Field(
        "rliable",
        description="rliable: draw n of n seeds per game, as in the literature; "
        "rescaled: draw n-1 of n, better coverage with few seeds",
    )
    level: float = Field(0.95, gt=0, lt=1, description="nominal coverage of the percentile interval")
    resamples: int = Field(2000, ge=100, le=100_000, description="bootstrap replicates")


# ---------------------------------------------------------------- selectors into config/reference


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

    paper: str = Field(description="paper column, e.g. hessel2018_rainbow")
    algorithm: str = Field(description="algorithm column, e.g. Rainbow")
    regime: Regime = Field("noop_starts", description="how evaluation episodes start")
    label: str | None = Field(None, description="legend text; default: the algorithm")


class PublishedNumber(Strict):
    """One headline number of a paper (a row of published_aggregates.csv)."""

    paper: str = Field(description="paper column, e.g. gogianu2021_sn")
    algorithm: str = Field(description="algorithm column, e.g. Rainbow")
    regime: Regime = Field("noop_starts", description="how evaluation episodes start")
    metric: str = Field(description="metric column, e.g. median_hns or max_mean_hns")


class Recomputation(Strict):
    """The same number, computed again from printed per-game scores."""

    scores: PublishedScores = Field(description="per-game rows to use")
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


# ---------------------------------------------------------------- figures


class Shown(Strict):
    """What every figure and table has."""

    id: Name = Field(description="file name of the figure, unique in its paper")
    title: str = Field(description="title in the report")
    source: str = Field("", description="the paper's own number, e.g. 'Figure 1'")
    caption: str = Field("", description="a sentence or two put before the generated caption")


class FromRuns(Strict):
    """Which runs, which metric, which scale."""

    experiments: list[Experiment] = Field(min_length=1, description="'paper.experiment' names whose runs are used")
    metric: str = Field("evaluation_return", description="metric of the run summaries, e.g. training_return_100")
    variants: list[str] | None = Field(None, description="variants to use, in drawing order; default: all, by name")
    games: list[Game] | None = Field(None, description="games to use ('suite/name'); default: all, by name")
    where: dict[str, Value] = Field(default_factory=dict, description="keep runs whose varied keys have these values")
    normalisation: Normalisation = Field("raw", description="scale of scores; raw = game score")
    interval: Interval = Field(default_factory=Interval, description="bootstrap interval over seeds")
    window: int = Field(1, ge=1, description="trailing mean over this many checkpoints of each run, before all else")


class Reduced(FromRuns):
    """Figures and tables with one number per run."""

    score: Literal["final", "best", "average"] = Field(
        "final",
        description="number made of a run's curve: last or best (optimistic) checkpoint, or mean over frames",
    )


class Drawn(Shown):
    venue: Venue = Field("icml", description="page format that sets the widths")
    column: Literal["single", "double"] = Field("double", description="width: one column or the whole page")


class LearningCurves(Drawn, FromRuns):
    """One panel per game; x = environment frames, y = score, mean over seeds with its interval."""

    kind: Literal["learning_curves"]
    statistic: Literal["mean", "iqm"] = Field("mean", description="aggregation over seeds")
    seeds: bool = Field(False, description="also draw each seed as a thin line")
    reference_lines: list[str] = Field(
        default_factory=list,
        description="variants drawn as dashed horizontal lines at their mean, e.g. a random policy",
    )
    panels: int = Field(3, ge=1, le=8, description="panels per row at most")
    published: list[PublishedCurve] = Field(default_factory=list, description="published curves to overlay")


class AggregateCurves(Drawn, FromRuns):
    """One panel per statistic over games; x = environment frames."""

    kind: Literal["aggregate_curves"]
    statistics: list[Statistic] = Field(
        default_factory=lambda: ["median", "iqm", "mean"], min_length=1, description="one panel each"
    )
    reference_lines: list[str] = Field(default_factory=list, description="variants drawn as dashed horizontal lines")
    published: list[PublishedCurve] = Field(default_factory=list, description="published curves to overlay")


class IntervalBars(Drawn, Reduced):
    """One panel per statistic over games, one bar with interval per variant."""

    kind: Literal["interval_bars"]
    statistics: list[Statistic] = Field(
        default_factory=lambda: ["median", "iqm", "mean", "optimality_gap"],
        min_length=1,
        description="one panel each",
    )


class PerGameBars(Drawn, Reduced):
    """One group of bars per game: scores, or the improvement over a baseline."""

    kind: Literal["per_game_bars"]
    experiments: list[Experiment] = Field(default_factory=list, description="may be empty: published scores only")
    published: list[PublishedScores] = Field(default_factory=list, description="published per-game scores as bars")
    baseline: str | None = Field(
        None,
        description="variant or published label; bars show 100 (score - baseline) / (max(human, baseline) - "
        "random) percent, on a symmetric log axis (needs Atari games)",
    )
    game_set: str | None = Field(None, description="keep the games of this set of game_sets.csv")

    @model_validator(mode="after")
    def _something(self) -> PerGameBars:
        if not self.experiments and not self.published:
            raise ValueError("needs 'experiments', 'published' or both")
        return self


class HeatMap(Drawn, Reduced):
    """Two varied keys against each other, one panel per variant; mean over seeds and games."""

    kind: Literal["heat_map"]
    x: str = Field(description="varied key on the x axis, e.g. optimizer.lr")
    y: str = Field(description="varied key on the y axis, e.g. optimizer.eps")
    statistic: Literal["mean", "median"] = Field("mean", description="aggregation over the runs of a cell")


class Sensitivity(Drawn, Reduced):
    """Score against one varied number, one panel per game, one line with intervals per variant."""

    kind: Literal["sensitivity"]
    x: str = Field(description="varied key on the x axis, e.g. optimizer.lr")
    log: bool = Field(True, description="logarithmic x axis")
    published: list[str] = Field(
        default_factory=list,
        description="algorithms of minatar_stepsize_sensitivity_digitised.csv to overlay (x is a learning rate)",
    )


class GridShare(Drawn, Reduced):
    """Share of a sweep's settings that score above a level, for all levels; one line per variant."""

    kind: Literal["grid_share"]
    column: Literal["single", "double"] = Field("single", description="width: one column or the whole page")
    threshold: float = Field(description="level at which the shares are printed, in units of the axis")


class DepthBars(Drawn, Reduced):
    """Score by the value of a varied key (e.g. the convolutions), one bar with interval per variant."""

    kind: Literal["depth_bars"]
    x: str = Field(description="varied key whose values are the groups, e.g. network.convolutions")
    axis: str = Field("", description="axis text; default: the key")
    reference_lines: list[str] = Field(default_factory=list, description="variants drawn as dashed horizontal lines")


class ProfilePanel(Strict):
    """One panel: metrics of the same runs, from left to right."""

    title: str = Field("", description="over the panel")
    axis: str = Field(description="y axis text with unit")
    metrics: dict[str, str] = Field(min_length=1, description="text below the axis: metric of the run summaries")


class Profile(Drawn, Reduced):
    """Several metrics of the same runs side by side, one colour per variant; mean over seeds (and games)."""

    kind: Literal["profile"]
    shape: Literal["bars", "lines"] = Field("bars", description="bars, or a line from metric to metric")
    axis: str = Field("", description="x axis text")
    panels: list[ProfilePanel] = Field(min_length=1, description="from left to right")


class PublishedBars(Drawn):
    """Horizontal bars of printed headline numbers, with recomputations beside them; no runs needed."""

    kind: Literal["published_bars"]
    column: Literal["single", "double"] = Field("single", description="width: one column or the whole page")
    experiments: list[Experiment] = Field(default_factory=list, max_length=0, description="always empty")
    bars: list[PublishedBar] = Field(min_length=1, description="bars from top to bottom")
    axis: str = Field("Human-normalised score (%)", description="axis text with unit")
    unit: Literal["percent", "ratio"] = Field("percent", description="unit of the bars")


FigureSpec = Annotated[
    LearningCurves
    | AggregateCurves
    | IntervalBars
    | PerGameBars
    | HeatMap
    | Sensitivity
    | GridShare
    | DepthBars
    | Profile
    | PublishedBars,
    Field(discriminator="kind"),
]
FIGURES: dict[str, str] = {
    "learning_curves": "analysis.figures.learning_curves:draw",
    "aggregate_curves": "analysis.figures.aggregate_curves:draw",
    "interval_bars": "analysis.figures.interval_bars:draw",
    "per_game_bars": "analysis.figures.per_game_bars:draw",
    "heat_map": "analysis.figures.heat_map:draw",
    "sensitivity": "analysis.figures.sensitivity:draw",
    "grid_share": "analysis.figures.grid_share:draw",
    "depth_bars": "analysis.figures.depth_bars:draw",
    "profile": "analysis.figures.profile:draw",
    "published_bars": "analysis.figures.published_bars:draw",
}

# ---------------------------------------------------------------- tables


class FinalScores(Shown, Reduced):
    """One row per game, one column per variant: mean over seeds with its interval."""

    kind: Literal["final_scores"]
    published: list[PublishedScores] = Field(default_factory=list, description="published per-game columns")


class AggregateColumn(Strict):
    """One column of a table of aggregates over games."""

    label: str = Field(description="column head")
    statistic: Literal["mean", "median"] = Field("mean", description="aggregation over games")
    normalisation: Normalisation = Field("standard", description="scale of each game's score")
    metric: str | None = Field(None, description="metric of published_aggregates.csv to compare with")


class AggregateRow(Strict):
    """One row: the per-game scores to aggregate and the printed numbers to compare with."""

    label: str = Field(description="row head")
    scores: PublishedScores = Field(description="per-game rows to use")
    printed_paper: str | None = Field(None, description="paper column of published_aggregates.csv")
    printed_algorithm: str | None = Field(None, description="algorithm column there; default: that of scores")


class PublishedAggregates(Shown):
    """Headline numbers computed again from printed per-game scores, beside the printed ones; no runs."""

    kind: Literal["published_aggregates"]
    experiments: list[Experiment] = Field(default_factory=list, max_length=0, description="always empty")
    rows: list[AggregateRow] = Field(min_length=1, description="algorithms, from top to bottom")
    columns: list[AggregateColumn] = Field(min_length=1, description="aggregates, from left to right")
    game_set: str | None = Field(None, description="game_set column of game_sets.csv; default: all games with rows")
    unit: Literal["percent", "ratio"] = Field("ratio", description="unit of the numbers")
    decimals: int = Field(3, ge=0, le=6, description="digits after the point")


TableSpec = Annotated[FinalScores | PublishedAggregates, Field(discriminator="kind")]
TABLES: dict[str, str] = {
    "final_scores": "analysis.tables.final_scores:build",
    "published_aggregates": "analysis.tables.published_aggregates:build",
}

# ---------------------------------------------------------------- claims


class Claim(Strict):
    """What every claim has."""

    id: Name = Field(description="unique in its paper")
    text: str = Field(description="the paper's statement, in one sentence")
    source: str = Field("", description="where the paper says it, e.g. 'Figure 2'")
    published: str | float | None = Field(None, description="the paper's value, for the claims table")


class Greater(Claim, Reduced):
    """Variant a scores higher than variant b (or than a number) by more than a margin."""

    kind: Literal["greater"]
    a: str = Field(description="variant that should be higher")
    b: str | float = Field(description="variant that should be lower (e.g. a random policy), or a number")
    statistic: Literal["mean", "median", "iqm"] = Field("mean", description="aggregation over runs (and games)")
    margin: float = Field(0.0, description="the difference has to exceed this, in units of the score")
    at_least: Literal["smoke", "reduced", "paper"] = Field(
        "reduced", description="smallest scale at which the check means anything"
    )


class ShareGreater(Claim, Reduced):
    """More of variant a's settings of a sweep score above a threshold than of variant b's."""

    kind: Literal["share_greater"]
    a: str = Field(description="variant whose share should be larger")
    b: str = Field(description="variant whose share should be smaller")
    threshold: float = Field(description="a setting counts when its mean score exceeds this")
    margin: float = Field(0.0, description="the difference of shares has to exceed this, percentage points")
    at_least: Literal["smoke", "reduced", "paper"] = Field(
        "reduced", description="smallest scale at which the check means anything"
    )


class PublishedValue(Claim):
    """A printed number agrees with its recomputation from printed per-game scores."""

    kind: Literal["published_value"]
    experiments: list[Experiment] = Field(default_factory=list, max_length=0, description="always empty")
    printed: PublishedNumber = Field(description="number as the paper printed it")
    recomputed: Recomputation = Field(description="how to compute it again")
    tolerance: float = Field(gt=0, description="largest absolute difference, in the printed unit")


class PublishedOrder(Claim):
    """Printed (or recomputed) numbers fall in the stated order, highest first."""

    kind: Literal["published_order"]
    experiments: list[Experiment] = Field(default_factory=list, max_length=0, description="always empty")
    order: list[PublishedBar] = Field(min_length=2, description="highest first; the recomputed value counts if given")


class PublishedBelow(Claim):
    """Printed scores lie below the human's on exactly the stated games of a set."""

    kind: Literal["published_below"]
    experiments: list[Experiment] = Field(default_factory=list, max_length=0, description="always empty")
    scores: PublishedScores = Field(description="per-game rows to use")
    normalisation: Normalisation = Field("standard", description="scale on which 1 is the human's score")
    game_set: str = Field(description="game_set column of game_sets.csv: all games that count")
    below: str = Field(description="game_set column of game_sets.csv: those that should lie below the human")


ClaimSpec = Annotated[
    Greater | ShareGreater | PublishedValue | PublishedOrder | PublishedBelow, Field(discriminator="kind")
]
CLAIMS: dict[str, str] = {
    "greater": "analysis.claims:greater",
    "share_greater": "analysis.claims:share_greater",
    "published_value": "analysis.claims:published_value",
    "published_order": "analysis.claims:published_order",
    "published_below": "analysis.claims:published_below",
}

figure_adapter: TypeAdapter[FigureSpec] = TypeAdapter(FigureSpec)
table_adapter: TypeAdapter[TableSpec] = TypeAdapter(TableSpec)
claims_adapter: TypeAdapter[list[ClaimSpec]] = TypeAdapter(list[ClaimSpec])
