"""What may stand in files of algorithms, papers and scales in config/ (pydantic models)."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from agents.spec.base import Count, EachOnce, Identified, Period, Whole
from analysis.spec.items import ClaimSpec, FigureSpec, Regime, TableSpec
from workflow.main_config import Strict, Text, one_or_more
from workflow.typed import NAME

Name = Annotated[str, Field(pattern=NAME)]
_seed = Identified.model_fields["seed"]
MOST_SEEDS = 10_000  # more cannot be meant, and no workflow could hold their jobs
# What a run's own spec says of its seed: the numbers that its outputs can hold.
Seed = Annotated[Whole, *_seed.metadata]
ItemName = Annotated[str, Field(pattern=r"^([a-z0-9_-]+\.)?[a-z0-9][a-z0-9_-]*$")]
Names = Annotated[list[Text], BeforeValidator(one_or_more, json_schema_input_type=Text | list[Text])]


def _seeds(value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool):
        if value < 1:
            raise ValueError("at least one seed is wanted")
        if value > MOST_SEEDS:
            raise ValueError(f"at most {MOST_SEEDS:,} seeds are wanted; for one seed of that number write [{value}]")
        return list(range(value))
    if not isinstance(value, list):
        raise ValueError("a number of seeds is wanted, or a list of them")
    if twice := sorted({str(s) for s in value if value.count(s) > 1}):
        raise ValueError(f"seed {', '.join(twice)} given twice")
    return value


Seeds = Annotated[
    list[Seed],
    BeforeValidator(_seeds, json_schema_input_type=Count | list[Annotated[int, Field(ge=0)]]),
    Field(min_length=1, description="a number of seeds (0, 1, …) or the seeds themselves"),
]
Games = Annotated[
    list[str], Field(min_length=1, description="suite/name, or names from config/reference/game_sets.csv")
]
Overlay = Annotated[dict[str, Any], Field(description="a value such as `25 %` is that share of budget_frames")]


def _left(value: Any) -> Any:
    """Without the keys that are null: an experiment takes them back from the one that it extends."""
    return {key: each for key, each in value.items() if each is not None} if isinstance(value, dict) else value


_Values = Annotated[list[Any], Field(min_length=1)]
Vary = Annotated[dict[str, _Values], BeforeValidator(_left, json_schema_input_type=dict[str, _Values | None])]
Variants = Annotated[
    dict[Text, Overlay],
    BeforeValidator(_left, json_schema_input_type=dict[Text, Overlay | None]),
    Field(min_length=1, description="name in figures: keys of the spec that differ (and `algorithm`, if another)"),
]


class Cluster(Strict):
    """What one run asks of the cluster."""

    runtime_minutes: Count = Field(
        description="time limit of a job, minutes; a run that takes longer saves itself and goes on in the next one"
    )
    mem_mb: Count = Field(description="of the first attempt; a second one gets twice as much, and so on")
    cpus: Count = Field(description="cores of a job")
    gpu: Annotated[Whole, Field(ge=0)] = Field(description="0: runs on CPUs whatever config.yaml's `device` says")
    nodes: Count = Field(1, description="of one job; more than one only for runs whose executor is `ray`")


class ClusterChange(Strict):
    runtime_minutes: Count | None = Field(None, description="time limit of a job, minutes")
    mem_mb: Count | None = Field(None, description="memory of a job's first attempt, megabytes")
    cpus: Count | None = Field(None, description="cores of a job")
    gpu: Annotated[Whole, Field(ge=0)] | None = Field(None, description="GPUs of a job")
    nodes: Count | None = Field(None, description="of a job, where the executor is `ray`")


class AlgorithmFile(Strict):
    """config/algorithms/*.yaml: one published system, complete but for what an experiment decides."""

    label: Text = Field(description="name in figures")
    source: Text = Field(description="where the numbers come from")
    extends: Text | None = Field(None, description="another algorithm (itself complete) whose spec is overlaid")
    spec: dict[str, Any] = Field(description="see agents/spec/; without seed, budget, device, threads and game")
    alternatives: dict[str, dict[str, dict[str, Any]]] = Field(
        default_factory=dict,
        description="part -> kind -> the numbers that it starts from where an experiment chooses that kind of the part",
    )
    cluster: Cluster | None = Field(None, description="may be left to the extended algorithm")

    @model_validator(mode="after")
    def _complete(self) -> AlgorithmFile:
        if self.extends is None and self.cluster is None:
            raise ValueError("cluster is missing")
        return self


class Scale(Strict):
    """How an experiment shrinks. What is not given, or null, stays as in the paper."""

    reduced: Text | None = Field(
        None,
        description="one sentence: what was reduced; printed under the figures; {counts} stands for what can be "
        "counted, e.g. `1 of 5 games, 2 of 10 seeds, 10k of 5M frames`; default: that alone, and of smoke that it "
        "shows nothing",
    )
    games: Games | None = None
    seeds: Seeds | None = None
    budget_frames: Period | None = Field(None, description="how long each run is trained, environment frames")
    variants: Annotated[list[str], Field(min_length=1)] | None = Field(None, description="names of those to keep")
    set: Overlay = Field(default_factory=dict, description="more keys of the spec, over those of the experiment")
    vary: Vary | None = Field(
        None, description="dotted keys and their values, in place of the experiment's; null takes a key back"
    )
    zip: Vary | None = Field(None, description="the same, taken side by side")
    cluster: ClusterChange = Field(ClusterChange(), description="what differs for the cluster")

    @field_validator("reduced")
    @classmethod
    def _known_holes(cls, value: str | None) -> str | None:
        if wrong := [hole for hole in re.findall(r"\{(.*?)\}", value or "") if hole != "counts"]:
            raise ValueError(f"{{counts}} is all that can be filled in, not {{{wrong[0]}}}")
        return value


class Preset(Strict):
    """config/scales/*.yaml: how experiments of one kind shrink, and rules that they share at every scale.

    Those that name it may lay their `scales` and `set` on it.
    """

    set: Overlay = Field(default_factory=dict, description="keys of the spec, at every scale")
    reduced: Scale | None = None
    smoke: Scale | None = None


class Experiment(Strict):
    """A named set of runs: games × variants × varied keys × seeds, as the paper has them."""

    extends: Text | None = Field(
        None, description="another experiment of the paper, itself complete, that this changes"
    )
    title: Text = Field(description="what it compares, in a few words")
    algorithm: Text = Field(description="file of config/algorithms that its runs start from")
    games: Games
    seeds: Seeds
    budget_frames: Period = Field(
        description="how long each run is trained, environment frames; of a study, what its clock counts"
    )
    variants: Variants | None = None
    set: Overlay = Field(default_factory=dict, description="keys of the spec, dotted or in mappings, for all variants")
    vary: Vary = Field(default_factory=dict, description="dotted keys and their values, crossed")
    zip: Vary = Field(default_factory=dict, description="dotted keys and their values, taken side by side")
    metrics: Annotated[list[Text], Field(min_length=1)] | None = Field(None, description="kept; null: all")
    cluster: ClusterChange = Field(
        ClusterChange(), description="what its jobs ask of the cluster, where that differs from the algorithm's file"
    )
    preset: Annotated[Names, Field(min_length=1), EachOnce] | None = Field(
        None, description="files of config/scales on which `scales` and `set` are laid; the last is uppermost"
    )
    scales: dict[Literal["smoke", "reduced"], Scale] = Field(
        default_factory=dict, description="how it shrinks at the smaller scales"
    )


class Quoted(Strict):
    """Whose published numbers figures, tables and claims compare with, where they do not say it themselves."""

    paper: Text | None = Field(None, description="paper column of the tables in config/reference: this paper's own")
    regime: Regime = Field("noop_starts", description="how its evaluation episodes start")


class Content(Strict):
    """A figure, a table or a stated result of the paper, and what shows it here, or why nothing does."""

    name: Text = Field(description="as the paper prints it: `Figure 1, left`, `Table K.1`")
    shows: Text = Field(description="what is to be seen there, in a few words")
    by: Annotated[list[ItemName], Field(min_length=1)] | None = Field(
        None, description="figures, tables and claims that show it: ids of this file, or `paper.id` of another's"
    )
    absent: Text | None = Field(None, description="why nothing shows it")

    @model_validator(mode="after")
    def _either(self) -> Content:
        if (self.by is None) == (self.absent is None):
            raise ValueError("either 'by' or 'absent' is wanted" + (", not both" if self.by else ": neither is given"))
        return self


class Paper(Strict):
    """config/papers/*.yaml: what a paper ran, and the figures, tables and claims made of it."""

    title: Text = Field(description="of the paper")
    authors: Text = Field(description="apart by commas")
    year: Annotated[Whole, Field(ge=1950, le=2100)] = Field(description="of publication")
    venue: Text = Field(description="conference or journal, or none")
    url: Annotated[str, Field(pattern="^(https?://.*)?$")] = Field(description="where it can be read, or nothing")
    selection: bool = Field(False, description="a choice of runs of ours, no paper: it is not cited")
    published: Quoted | None = Field(None, exclude=True, description="of all published numbers that do not say it")
    experiments: dict[Name, Experiment] = Field(default_factory=dict, description="name -> what was run")
    figures: list[FigureSpec] = Field(default_factory=list)
    tables: list[TableSpec] = Field(default_factory=list)
    claims: list[ClaimSpec] = Field(default_factory=list)
    deviations: list[Text] = Field(default_factory=list, description="where we knowingly differ from the paper")
    contents: list[Content] = Field(default_factory=list, description="all that the paper shows: its ledger's rows")

    @property
    def items(self) -> list[FigureSpec | TableSpec | ClaimSpec]:
        return [*self.figures, *self.tables, *self.claims]
