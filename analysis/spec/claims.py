"""The kinds of claims: a model each, whose `kind` is the name of the function in analysis/claims.py that checks it."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Union

from pydantic import Field, TypeAdapter, model_validator

from analysis.spec.common import (
    DEFERRED,
    Experiment,
    Extended,
    FromRuns,
    Game,
    Name,
    Normalisation,
    NoRuns,
    Passing,
    PublishedBar,
    PublishedNumber,
    PublishedScores,
    Recomputation,
    Reduced,
    Scale,
    Strict,
    Tie,
    Value,
    kinds,
)

Elsewhere = Annotated[
    dict[str, Value], Field(description="values that b's varied keys have in place of those in where")
]


class Claim(Strict):
    """What every claim has."""

    module: ClassVar[str] = "claims"  # of analysis/, that has the function
    within_games: ClassVar[bool] = True  # its interval is over the seeds of each game: of one seed there is none
    id: Name = Field(description="unique in its paper")
    extends: Extended = None
    text: str = Field(description="the paper's statement, in one sentence")
    source: str = Field("", description="where the paper says it, e.g. 'Figure 2'")
    published: str | float | None = Field(None, description="the paper's value, for the claims table")


class Comparison(Claim, Reduced):
    """Of two variants, or of one with a number."""

    pools: ClassVar[tuple[str, ...]] = ("mean",)
    a: str = Field(description="variant, the one that should be higher if one should be")
    b: str | float = Field(description="variant to compare it with (e.g. a random policy), or a number")
    b_metric: str | None = Field(None, description="metric of b, if it is another one, e.g. of other evaluations")
    b_where: Elsewhere = Field(default_factory=dict)
    statistic: Literal["mean", "median", "iqm"] = Field("mean", description="aggregation over runs (and games)")
    times: float = Field(
        1.0, gt=0, description="variant b's score counts so many times, e.g. 0.8: a is above 80 % of b"
    )
    at_least: Scale = Field("reduced", description="smallest scale at which the check means anything")

    @model_validator(mode="after")
    def _of_a_variant(self) -> Comparison:
        for key in ("b_metric", "b_where"):
            if getattr(self, key) and not isinstance(self.b, str):
                raise ValueError(f"{key}: b is a number")
        return self


class Greater(Comparison):
    """Variant a scores higher than variant b (or than a number) by more than a margin."""

    kind: Literal["greater"]
    margin: float = Field(0.0, description="the difference has to exceed this, in units of the score")


class Close(Comparison):
    """Variants a and b (or a number) score alike: they differ by less than a margin."""

    kind: Literal["close"]
    margin: float = Field(gt=0, description="the difference has to lie between -margin and margin, units of the score")


class Overtakes(Comparison):
    """Variant a's score after so many frames is above variant b's at the end of its training."""

    kind: Literal["overtakes"]
    by_frames: int = Field(ge=0, description="frames of a's training that count")
    margin: float = Field(0.0, description="the difference has to exceed this, in units of the score")


class MoreWins(Claim, Reduced):
    """Variant a is better than variant b (or than a number, e.g. the human's 100 %) on more games than worse."""

    kind: Literal["more_wins"]
    a: str = Field(description="variant that should win more games")
    b: str | float = Field(description="variant to compare it with, or a normalised score, e.g. 100 for the human's")
    tie: Tie
    margin: float = Field(0.0, description="games better less games worse has to exceed this")
    at_least: Scale = Field("reduced", description="smallest scale at which the check means anything")

    @model_validator(mode="after")
    def _of_one_scale(self) -> MoreWins:
        if not isinstance(self.b, str) and self.normalisation == "raw":
            raise ValueError("b: raw scores of several games have no number in common; choose a normalisation")
        return self


class ShareGreater(Claim, Reduced):
    """More of variant a's settings of a sweep score above a threshold than of variant b's."""

    pools: ClassVar[tuple[str, ...]] = ("mean",)
    kind: Literal["share_greater"]
    a: str = Field(description="variant whose share should be larger")
    b: str = Field(description="variant whose share should be smaller")
    threshold: float = Field(description="a setting counts when its mean score exceeds this")
    margin: float = Field(0.0, description="the difference of shares has to exceed this, percentage points")
    at_least: Scale = Field("reduced", description="smallest scale at which the check means anything")


class BestGreater(Claim, Reduced):
    """Variant a's best setting of a sweep scores higher than variant b's best; of two sweeps, by more in the first."""

    module: ClassVar[str] = "curve_claims"
    pools: ClassVar[tuple[str, ...]] = ("mean",)
    kind: Literal["best_greater"]
    experiments: list[Experiment] = Field(
        min_length=1, max_length=2, description="a sweep; and another one, in which a should be above b by less"
    )
    a: str = Field(description="variant whose best setting should score higher")
    b: str = Field(description="variant to compare it with")
    margin: float = Field(0.0, description="the difference has to exceed this, in units of the score")
    at_least: Scale = Field("reduced", description="smallest scale at which the check means anything")


class AboveFrom(Claim, FromRuns):
    """Variant a's mean curve is above variant b's at every checkpoint from a frame on."""

    module: ClassVar[str] = "curve_claims"
    pools: ClassVar[tuple[str, ...]] = ("mean",)
    kind: Literal["above_from"]
    a: str = Field(description="variant that should be above")
    b: str = Field(description="variant to compare it with")
    from_frames: int = Field(ge=0, description="first frame that counts")
    margin: float = Field(0.0, description="the least difference has to exceed this, in units of the score")
    at_least: Scale = Field("reduced", description="smallest scale at which the check means anything")


class RisesMore(Claim, FromRuns):
    """In the last part of training variant a's mean score rises by more than variant b's."""

    module: ClassVar[str] = "curve_claims"
    pools: ClassVar[tuple[str, ...]] = ("mean",)
    kind: Literal["rises_more"]
    a: str = Field(description="variant that should go on rising")
    b: str = Field(description="variant to compare it with")
    share: float = Field(0.5, gt=0, lt=1, description="of the frames, after which the rise counts")
    margin: float = Field(0.0, description="the difference has to exceed this, in units of the score")
    at_least: Scale = Field("reduced", description="smallest scale at which the check means anything")


class Uncorrelated(Claim, Reduced):
    """Over the runs of a game, the score and another metric have next to no rank correlation; mean over games."""

    module: ClassVar[str] = "curve_claims"
    within_games: ClassVar[bool] = False  # over all runs of a game, whatever their variant
    kind: Literal["uncorrelated"]
    x_metric: str = Field(description="the other metric, at the end of the run")
    margin: float = Field(gt=0, lt=1, description="Spearman's rho has to lie between -margin and margin")
    at_least: Scale = Field("reduced", description="smallest scale at which the check means anything")


class Sooner(Claim, FromRuns):
    """Variant a is above a level sooner than variant b: b takes more than so many times as long."""

    kind: Literal["sooner"]
    metric: str = Field("training_return_100", description="the score that has to be above the level")
    a: str = Field(description="variant that should be sooner")
    b: str = Field(description="variant that should be later")
    b_where: Elsewhere = Field(default_factory=dict)
    count: Passing
    levels: dict[Game, float] = Field(default_factory=dict, description="game -> level; default: the human's score")
    human: Normalisation = Field("standard", description="normalisation whose human scores are levels")
    margin: float = Field(1.0, gt=0, description="b has to take more than so many times as long as a")
    at_least: Scale = Field("reduced", description="smallest scale at which the check means anything")


class PublishedValue(Claim):
    """A printed number agrees with its recomputation from printed per-game scores."""

    kind: Literal["published_value"]
    experiments: NoRuns
    printed: PublishedNumber = Field(description="number as the paper printed it")
    recomputed: Recomputation = Field(description="how to compute it again")
    tolerance: float = Field(gt=0, description="largest absolute difference, in the printed unit")


class PublishedOrder(Claim):
    """Printed (or recomputed) numbers fall in the stated order, highest first."""

    kind: Literal["published_order"]
    experiments: NoRuns
    order: list[PublishedBar] = Field(min_length=2, description="highest first; the recomputed value counts if given")


class PublishedTimes(Claim):
    """A printed (or recomputed) number is so many times another."""

    kind: Literal["published_times"]
    experiments: NoRuns
    a: PublishedBar = Field(description="the larger one; the recomputed value counts if given")
    b: PublishedBar = Field(description="the smaller one")
    times: float = Field(gt=0, description="a is at least so many times b, e.g. 3 for triples")


class PublishedBelow(Claim):
    """Printed scores lie below the human's on exactly the stated games of a set."""

    kind: Literal["published_below"]
    experiments: NoRuns
    scores: PublishedScores = Field(description="per-game rows to use")
    normalisation: Normalisation = Field("standard", description="scale on which 1 is the human's score")
    game_set: str = Field(description="game_set column of game_sets.csv: all games that count")
    below: str = Field(description="game_set column of game_sets.csv: those that should lie below the human")


class PublishedGain(Claim):
    """A printed score is so many percent above another printed score of the same game."""

    kind: Literal["published_gain"]
    experiments: NoRuns
    scores: PublishedScores = Field(description="per-game rows of the higher score")
    over: PublishedScores = Field(description="per-game rows of the lower score")
    game: str = Field(description="game column of both")
    percent: float = Field(description="the stated gain")
    tolerance: float = Field(gt=0, description="largest difference to it, percentage points")


class PublishedReach(Claim):
    """Printed scores are at least a share of other printed scores in at least so many of their common games."""

    kind: Literal["published_reach"]
    experiments: NoRuns
    scores: PublishedScores = Field(description="per-game rows that should win")
    over: PublishedScores = Field(description="per-game rows to compare with")
    share: float = Field(1.0, gt=0, description="a game counts from this share of the other score on")
    wins: int = Field(ge=1, description="in at least so many games")


class PublishedWins(Claim):
    """By printed scores, one agent is better than another on more games than it is worse on."""

    kind: Literal["published_wins"]
    experiments: NoRuns
    a: PublishedScores = Field(description="per-game rows of the one that should win more games")
    b: PublishedScores = Field(description="per-game rows of the other")
    normalisation: Normalisation = Field("standard", description="scale of each game's score")
    game_set: str | None = Field(None, description="game_set column of game_sets.csv; default: all games of both")
    tie: Tie


class PublishedApart(Claim):
    """By printed means and standard deviations, two agents differ on exactly the stated games."""

    kind: Literal["published_apart"]
    experiments: NoRuns
    a: PublishedScores = Field(description="per-game rows with standard deviations")
    b: PublishedScores = Field(description="those of the other agent")
    episodes: int = Field(ge=2, description="of each agent in each game, from which means and deviations are")
    level: float = Field(0.05, gt=0, lt=1, description="share of false discoveries among those that are told apart")
    better: list[str] = Field(description="games on which a is better")
    worse: list[str] = Field(description="games on which it is worse")


_KINDS = kinds(globals(), Claim)
ClaimSpec = Annotated[Union[tuple(_KINDS.values())], Field(discriminator="kind")]  # noqa: UP007 - of what is found
CLAIMS = {
    kind: f"analysis.{'published_' * kind.startswith('published_')}{model.module}:{kind}"
    for kind, model in _KINDS.items()
}

claims_adapter: TypeAdapter[list[ClaimSpec]] = TypeAdapter(list[ClaimSpec], config=DEFERRED)
