"""The kinds of tables: a model each, whose `kind` is the name of the module in analysis/tables/ that makes it."""

from __future__ import annotations

from typing import Annotated, Literal, Union

from pydantic import Field, TypeAdapter, model_validator

from analysis.spec.common import (
    DEFERRED,
    Experiment,
    FromRuns,
    Game,
    Normalisation,
    NoRuns,
    Passing,
    PublishedNumbers,
    PublishedScores,
    Reduced,
    Shown,
    Statistic,
    Strict,
    kinds,
)
from analysis.spec.metrics import Average


class FinalScores(Shown, Reduced):
    """One row per game, one column per variant: mean over seeds with its interval."""

    kind: Literal["final_scores"]
    published: list[PublishedScores] = Field(default_factory=list, description="published per-game columns")


class PrintedSpeed(Strict):
    """One system's printed frames per second."""

    label: str = Field(description="row head")
    values: list[float | None] = Field(min_length=1, description="one for each printed column")


class Throughput(Shown, FromRuns):
    """One row per variant: frames per second of a run and of each actor; then a paper's printed speeds."""

    kind: Literal["throughput"]
    metric: Literal["frames_per_second"] = Field("frames_per_second", description="always the run's speed")
    baseline: str | None = Field(None, description="variant whose speed is 1 in a column of speed-ups")
    frame_time: bool = Field(
        False, description="also the time per frame, without evaluations, and its ratio to the baseline's"
    )
    printed_columns: list[str] = Field(default_factory=list, description="heads of the printed columns")
    printed: list[PrintedSpeed] = Field(default_factory=list, description="rows below ours")

    @model_validator(mode="after")
    def _aligned(self) -> Throughput:
        for row in self.printed:
            if len(row.values) != len(self.printed_columns):
                raise ValueError(f"{row.label}: {len(row.values)} values for {len(self.printed_columns)} columns")
        return self


class Milestones(Shown, FromRuns):
    """One row per game, one column per variant: how long until a score is above a level, the human's by default."""

    kind: Literal["milestones"]
    metric: str = Field("training_return_100", description="the score that has to be above the level")
    count: Passing
    levels: dict[Game, float] = Field(default_factory=dict, description="game -> level; default: the human's score")
    human: Normalisation = Field("standard", description="normalisation whose human scores are levels")
    baseline: str | None = Field(None, description="variant by which the others are divided, in columns of their own")
    printed: dict[str, dict[Game, float]] = Field(
        default_factory=dict, description="head of a published column -> game -> number"
    )


class Speedups(Shown, FromRuns):
    """One row per variant, one column per value of a varied key: how much sooner than with the smallest value a score
    is reached, mean over games."""

    kind: Literal["speedups"]
    metric: str = Field("training_return_100", description="the score that has to be above the level")
    x: str = Field(description="varied key of numbers, e.g. environment.streams")
    axis: str = Field(description="what the key counts, for the heads of the columns, e.g. threads")
    count: Passing
    levels: dict[Game, float] = Field(default_factory=dict, description="game -> level; default: the human's score")
    human: Normalisation = Field("standard", description="normalisation whose human scores are levels")
    printed: dict[str, dict[str, float]] = Field(
        default_factory=dict, description="variant -> value of the key -> published number"
    )


AGAINST = ("above_baseline", "improvement")  # statistics of two rows, game by game


class AggregateColumn(Strict):
    """One column of a table of aggregates over games."""

    label: str = Field("", description="column head; default: the statistic and its unit")
    statistic: Statistic | Literal["above_human", "above_baseline", "improvement", "atari5", "atari3"] = Field(
        "mean",
        description="aggregation over games; above_human, above_baseline: number of games with a higher score; "
        "improvement: probability that a run scores more than one of the baseline (Agarwal et al. 2021); "
        "atari5, atari3: median over 57 games estimated from five or three (Aitchison et al. 2023)",
    )
    normalisation: Normalisation | None = Field(None, description="scale of each game's score; default: the table's")
    metric: str | None = Field(None, description="metric of published_aggregates.csv to compare with")


class AggregateRow(Strict):
    """One algorithm: a line of our runs, and one of what is published of it, beneath."""

    label: str = Field(description="row head")
    variant: str | None = Field(None, description="variant whose runs are aggregated")
    scores: PublishedScores | None = Field(None, description="printed per-game scores to aggregate")
    printed: PublishedNumbers | None = Field(
        None, description="whose printed numbers stand beside; default: the file's `published`, algorithm as in scores"
    )
    baseline: str | None = Field(None, description="label of the row above whose scores games are counted")
    game_set: str | None = Field(None, description="games of this row; default: the table's game_set")

    @model_validator(mode="after")
    def _something(self) -> AggregateRow:
        if self.variant is None and self.scores is None and self.printed is None:
            raise ValueError(f"{self.label}: needs 'variant', 'scores' or 'printed'")
        return self


class Aggregates(Shown, Reduced):
    """Statistics over games, one row per algorithm: of our runs, of printed per-game scores, and as printed."""

    kind: Literal["aggregates"]
    experiments: list[Experiment] = Field(default_factory=list, description="whose runs; may be empty: published only")
    variants: None = Field(None, description="always empty: rows name variants")
    normalisation: Normalisation = Field("standard", description="scale of scores, of columns that name none")
    rows: list[AggregateRow] = Field(min_length=1, description="algorithms, from top to bottom")
    columns: list[AggregateColumn] = Field(min_length=1, description="aggregates, from left to right")
    game_set: str | None = Field(None, description="game_set column of game_sets.csv; default: all games with rows")
    unit: Literal["percent", "ratio"] = Field("ratio", description="unit of the numbers")
    decimals: int = Field(3, ge=0, le=6, description="digits after the point")

    def averages(self) -> list[Average]:
        """One of each column, but for those that compare two rows game by game."""
        return [
            Average(self.metric, column.normalisation or self.normalisation, column.statistic)
            for column in self.columns
            if column.statistic not in AGAINST
        ]

    @model_validator(mode="after")
    def _of_runs(self) -> Aggregates:
        ours = [row.label for row in self.rows if row.variant is not None]
        if bool(ours) != bool(self.experiments):
            raise ValueError(f"rows of variants need 'experiments': {ours[0]}" if ours else "no row names a 'variant'")
        labels = [row.label for row in self.rows]
        for row in self.rows:
            if row.baseline is not None and row.baseline not in labels:
                raise ValueError(f"{row.label}: its baseline {row.baseline!r} is no row; rows: {', '.join(labels)}")
        return self


class PrintedRow(Strict):
    """One row of a printed table."""

    label: str = Field(description="row head")
    values: list[int | float | str | None] = Field(
        min_length=1, description="one for each column, with its decimals; null: not given"
    )


class Printed(Shown):
    """Facts as a paper prints them, of what nothing here measures; no runs."""

    kind: Literal["printed"]
    experiments: NoRuns
    head: str = Field("", description="head of the first column")
    columns: list[str] = Field(min_length=1, description="heads of the others, with units")
    lines: list[PrintedRow] = Field(min_length=1, description="from top to bottom")

    @model_validator(mode="after")
    def _aligned(self) -> Printed:
        for row in self.lines:
            if len(row.values) != len(self.columns):
                raise ValueError(f"{row.label}: {len(row.values)} values for {len(self.columns)} columns")
        return self


_KINDS = kinds(globals(), Shown)
TableSpec = Annotated[Union[tuple(_KINDS.values())], Field(discriminator="kind")]  # noqa: UP007 - of what is found
TABLES = {kind: f"analysis.tables.{kind}:build" for kind in _KINDS}

table_adapter: TypeAdapter[TableSpec] = TypeAdapter(TableSpec, config=DEFERRED)
