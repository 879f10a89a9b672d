"""The kinds of figures: a model each, whose `kind` is the name of the module in analysis/figures/ that draws it."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Union

from pydantic import Field, TypeAdapter, model_validator

from analysis.spec.common import (
    DEFERRED,
    Experiment,
    FromRuns,
    Game,
    NoRuns,
    PublishedBar,
    PublishedScores,
    Reduced,
    Statistic,
    Strict,
    Tie,
    Value,
    kinds,
)
from analysis.spec.drawn import By, Column, Curved, Drawn, OverGames, Panels
from analysis.spec.metrics import Average, scale_of


class LearningCurves(Curved):
    """One panel per game; x = environment frames or another clock, y = score, mean over seeds with its interval."""

    kind: Literal["learning_curves"]
    statistic: Literal["mean", "iqm"] = Field("mean", description="aggregation over seeds")
    seeds: bool = Field(False, description="also draw each seed as a thin line")
    panels: Panels


class AggregateCurves(Curved, OverGames):
    """One panel per statistic over games; x = environment frames or another clock.

    With `by`, so for each combination of values of these keys; over frames alone.
    """

    kind: Literal["aggregate_curves"]
    by: By
    statistics: list[Statistic] = Field(
        default_factory=lambda: ["median", "iqm", "mean"], min_length=1, description="one panel each"
    )

    @model_validator(mode="after")
    def _parts_over_frames(self) -> AggregateCurves:
        if self.by and self.x != "frames":
            raise ValueError(f"panels by {self.by[0]!r} are over frames, but x is {self.x!r}: leave one of them out")
        return self


class IntervalBars(Drawn, Reduced, OverGames):
    """One panel per statistic over games, one bar with interval per variant."""

    kind: Literal["interval_bars"]
    statistics: list[Statistic] = Field(
        default_factory=lambda: ["median", "iqm", "mean", "optimality_gap"],
        min_length=1,
        description="one panel each",
    )


class PerGameBars(Drawn, Reduced):
    """One group of bars per game: scores, or how far they are above a baseline's."""

    kind: Literal["per_game_bars"]
    experiments: list[Experiment] = Field(default_factory=list, description="may be empty: published scores only")
    published: list[PublishedScores] = Field(default_factory=list, description="published per-game scores as bars")
    baseline: str | None = Field(None, description="variant or published label that the others are compared with")
    formula: Literal["improvement", "difference"] = Field(
        "improvement",
        description="with a baseline, on a symmetric log axis. improvement: 100 (score - baseline) / (max(human, "
        "baseline) - random) percent, of Atari games; difference: of the two scores on the scale of `normalisation`",
    )
    game_set: str | None = Field(None, description="keep the games of this set of game_sets.csv")

    @model_validator(mode="after")
    def _something(self) -> PerGameBars:
        if not self.experiments and not self.published:
            raise ValueError("needs 'experiments', 'published' or both")
        return self


class WinTieLoss(Drawn, Reduced):
    """How far one agent is above others in each game, and in how many it is better, worse or tied; a panel per rival.

    Rivals without any score are left out, and named in the caption.
    """

    kind: Literal["win_tie_loss"]
    experiments: list[Experiment] = Field(default_factory=list, description="may be empty: published scores only")
    published: list[PublishedScores] = Field(default_factory=list, description="published per-game scores of agents")
    game_set: str | None = Field(None, description="keep the games of this set of game_sets.csv")
    a: str = Field(description="variant or published label whose games are counted")
    b: list[str] = Field(min_length=1, description="those that it is compared with")
    tie: Tie
    counted: dict[str, tuple[int, int, int]] = Field(
        default_factory=dict, description="rival -> games better, worse and tied as the paper counts them"
    )

    @model_validator(mode="after")
    def _something(self) -> WinTieLoss:
        if not self.experiments and not self.published:
            raise ValueError("needs 'experiments', 'published' or both")
        if lost := sorted(set(self.counted) - set(self.b)):
            raise ValueError(f"counted has {lost[0]!r}, which is not among 'b'")
        return self


class PerformanceProfile(Drawn, Reduced):
    """Share of runs that score above a level, for all levels of the normalised score; one line per variant."""

    pools: ClassVar[tuple[str, ...]] = ("levels",)
    kind: Literal["performance_profile"]
    column: Column = "single"
    experiments: list[Experiment] = Field(default_factory=list, description="may be empty: published scores only")
    published: list[PublishedScores] = Field(default_factory=list, description="published per-game scores as lines")
    game_set: str | None = Field(None, description="keep the published scores of this set of game_sets.csv")
    highest: float | None = Field(None, gt=0, description="last level, in units of the axis; default: 95 % are below")

    @model_validator(mode="after")
    def _something(self) -> PerformanceProfile:
        if not self.experiments and not self.published:
            raise ValueError("needs 'experiments', 'published' or both")
        return self


class ImprovementProbability(Drawn, Reduced):
    """How likely a run of one variant scores more than a run of others, mean over games, with its interval."""

    kind: Literal["improvement_probability"]
    column: Column = "single"
    a: str = Field(description="variant that may be better")
    b: list[str] = Field(min_length=1, description="variants that it is compared with, from top to bottom")


class HeatMap(Drawn, Reduced):
    """Two varied keys against each other, one panel per variant; mean over seeds and games.

    With `by`, a row of panels for each combination of values of further keys.
    """

    pools: ClassVar[tuple[str, ...]] = ("mean",)
    kind: Literal["heat_map"]
    x: str = Field(description="varied key on the x axis, e.g. optimizer.lr")
    y: str = Field(description="varied key on the y axis, e.g. optimizer.epsilon")
    x_axis: str = Field("", description="x axis text; default: the key")
    y_axis: str = Field("", description="y axis text; default: the key")
    by: By
    statistic: Literal["mean", "median"] = Field("mean", description="aggregation over the runs of a cell")


class Sensitivity(Drawn, Reduced):
    """Score against one varied number, one panel per game, one line with intervals per variant."""

    kind: Literal["sensitivity"]
    x: str = Field(description="varied key on the x axis, e.g. optimizer.lr")
    axis: str = Field("", description="x axis text; default: the key")
    log: bool = Field(True, description="logarithmic x axis")
    y_log: bool = Field(False, description="logarithmic y axis")
    identity: bool = Field(False, description="dotted line where the score equals x, e.g. a radius that bounds it")
    published: list[str] = Field(
        default_factory=list,
        description="algorithms of minatar_stepsize_sensitivity_digitised.csv to overlay (x is a learning rate)",
    )


class Scatter(Drawn, Reduced):
    """One point per run, one panel per game: the score against a varied number or another metric of the run."""

    kind: Literal["scatter"]
    x: str | None = Field(None, description="varied key on the x axis, e.g. optimizer.lr")
    x_metric: str | None = Field(None, description="metric on the x axis, e.g. input_gradient[mean], in place of x")
    x_score: Literal["final", "best", "average"] = Field("final", description="number made of x_metric's curve")
    axis: str = Field("", description="x axis text; default: the key, or the metric's own")
    log: bool = Field(True, description="logarithmic x axis")
    correlation: bool = Field(
        False, description="Spearman's rank correlation over the runs of each panel, in its title"
    )
    panels: Panels

    @model_validator(mode="after")
    def _one_x(self) -> Scatter:
        if (self.x is None) == (self.x_metric is None):
            raise ValueError("needs either 'x' or 'x_metric'")
        return self


class GridShare(Drawn, Reduced):
    """Share of a sweep's settings that score above a level, for all levels; one line per variant."""

    pools: ClassVar[tuple[str, ...]] = ("mean",)
    kind: Literal["grid_share"]
    column: Column = "single"
    threshold: float = Field(description="level at which the shares are printed, in units of the axis")


class DepthBars(Drawn, Reduced):
    """Score by the value of a varied key (e.g. the convolutions), one bar with interval per variant."""

    pools: ClassVar[tuple[str, ...]] = ("mean",)
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
    percent_of: str | None = Field(
        None, description="metric of the same runs whose mean over seeds and games is 100 %, of each variant by itself"
    )
    panels: list[ProfilePanel] = Field(min_length=1, description="from left to right")

    def averages(self) -> list[Average]:
        """Of each of its metrics, `percent_of` among them."""
        return [Average(name, scale_of(name, self.normalisation)) for each in self.metrics().values() for name in each]

    def metrics(self) -> dict[str, list[str]]:
        """Those of its panels, and what is 100 %."""
        drawn = [metric for panel in self.panels for metric in panel.metrics.values()]
        return {"panels": drawn, "percent_of": [self.percent_of] if self.percent_of is not None else []}


class Scaling(Drawn, FromRuns):
    """Cost against size on logarithmic axes: median over seeds with quartiles; censored points are marked.

    The metric's frames are the sizes; `<metric>_censored` says which runs gave up.
    """

    kind: Literal["scaling"]
    column: Column = "single"


class Survival(Drawn, FromRuns):
    """Share of runs that got there, against how long it took (Kaplan-Meier, so runs that gave up count rightly)."""

    pools: ClassVar[tuple[str, ...]] = ("mean",)
    kind: Literal["survival"]
    column: Column = "single"
    published: dict[str, float] = Field(
        default_factory=dict, description="variant -> published mean, drawn as a dashed vertical line"
    )
    source_published: str = Field("", description="where the published means come from")


class Distribution(Drawn, FromRuns):
    """Sorted values of the memory's rows at several training times, log axes; one panel per variant and game."""

    kind: Literal["distribution"]
    metric: str = Field("td_error", description="metric recorded as percentiles: td_error or replay_probability")
    times: int = Field(5, ge=1, le=12, description="number of checkpoints drawn, evenly from the first to the last")
    panels: Panels


class ReturnDistribution(Drawn, FromRuns):
    """How likely each return is, by action, at single steps of the last evaluation; of each game's first seed."""

    kind: Literal["return_distribution"]
    metric: Literal["return_probability"] = Field(
        "return_probability", description="always that: wants evaluation.trials of kind snapshots"
    )
    panels: Panels


class LearningSpeed(Drawn, FromRuns):
    """Score relative to a baseline at the end of its training, so far; where a line reaches 100 % is marked."""

    kind: Literal["learning_speed"]
    baseline: str = Field(description="variant whose end is 100 %, in each game by itself")
    statistic: Literal["median", "mean"] = Field("median", description="aggregation over games")
    so_far: list[Literal["max", "mean"]] = Field(
        default_factory=lambda: ["max", "mean"],
        min_length=1,
        description="one panel each: best score, or mean score, of a run up to each frame",
    )


class GamesAbove(Drawn, FromRuns):
    """How many games a variant plays at a level or better; x = environment frames, one panel per level."""

    pools: ClassVar[tuple[str, ...]] = ("levels",)
    kind: Literal["games_above"]
    levels: list[float] = Field(min_length=1, description="levels of the normalised score, percent, e.g. 20, 50, 100")
    panels: Panels


class AblationDrops(Drawn, FromRuns):
    """Per game, how much of the way from a base to the full agent each ablation loses (areas under the curves)."""

    kind: Literal["ablation_drops"]
    full: str = Field(description="variant with all parts: drop 0 %")
    base: str = Field(description="variant with none of them: drop 100 %")


class Dreams(Drawn):
    """A stretch of play: as it was, decoded, and imagined by a world model; as a strip and as an animation.

    Of the first seed of one variant, on the first game unless it is named.
    """

    dreams: ClassVar[bool] = True
    kind: Literal["dreams"]
    experiments: list[Experiment] = Field(min_length=1, max_length=1, description="whose run is shown")
    variants: list[str] = Field(min_length=1, max_length=1, description="variant whose run is shown; a world model's")
    games: list[Game] | None = Field(None, min_length=1, max_length=1, description="default: the experiment's first")
    where: dict[str, Value] = Field(default_factory=dict, description="of a run whose varied keys have these values")
    steps: int = Field(20, ge=2, le=60, description="agent steps of the stretch")
    context: int = Field(5, ge=1, description="of these are seen before imagining begins")

    @model_validator(mode="after")
    def _some_imagined(self) -> Dreams:
        if self.context >= self.steps:
            raise ValueError(f"context {self.context} leaves nothing of {self.steps} steps to imagine")
        return self


class PublishedBars(Drawn):
    """Horizontal bars of printed headline numbers, with recomputations beside them; no runs needed."""

    kind: Literal["published_bars"]
    column: Column = "single"
    experiments: NoRuns
    bars: list[PublishedBar] = Field(min_length=1, description="bars from top to bottom")
    axis: str = Field("Human-normalised score (%)", description="axis text with unit")
    unit: Literal["percent", "ratio"] = Field("percent", description="unit of the bars")


_KINDS = kinds(globals(), Drawn)
FigureSpec = Annotated[Union[tuple(_KINDS.values())], Field(discriminator="kind")]  # noqa: UP007 - of what is found
FIGURES = {kind: f"analysis.figures.{kind}:draw" for kind in _KINDS}

figure_adapter: TypeAdapter[FigureSpec] = TypeAdapter(FigureSpec, config=DEFERRED)
