"""What is recorded of a run, and what is measured at its evaluations."""

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from agents.spec.base import Count, Numbers, OneOf, Part, Period, Whole
from agents.spec.spectral import Layers, beyond

States = Annotated[Whole, Field(ge=2)]


class FeatureRank(Numbers):
    code: ClassVar[str] = "agents.measure.probes:feature_rank"
    kind: Literal["feature_rank"] = Field(
        description="effective rank of the last hidden layer's features, metric feature_rank"
    )
    states: States = Field(description="drawn from the memory")

    def misfits(self, spec: Any) -> Iterator[str]:
        yield from _values_only("feature_rank", spec)


class Lipschitz(Numbers):
    code: ClassVar[str] = "agents.measure.probes:lipschitz"
    kind: Literal["lipschitz"] = Field(
        description="slope of Q by the network's input, metrics lipschitz and input_gradient"
    )
    states: States = Field(description="drawn from the memory")

    def misfits(self, spec: Any) -> Iterator[str]:
        yield from _values_only("lipschitz", spec)


class TDError(Numbers):
    code: ClassVar[str] = "agents.measure.probes:td_error"
    kind: Literal["td_error"] = Field(description="of the whole memory, with the probabilities of its steps")

    def misfits(self, spec: Any) -> Iterator[str]:
        select = spec.memory.select
        if select.kind not in ("proportional", "rank"):
            yield f"record.probes td_error needs memory.select proportional or rank, not {select.kind}"
        elif not select.exponent:
            yield "record.probes td_error needs memory.select.exponent above 0"


class FreshDeltaQ(Numbers):
    code: ClassVar[str] = "agents.measure.delta_q:fresh_delta_q"
    kind: Literal["fresh_delta_q"] = Field(
        description="Delta Q against a state unrolled anew, metrics fresh_delta_q_first and fresh_delta_q_last"
    )
    states: States = Field(description="sequences drawn from the memory")

    def misfits(self, spec: Any) -> Iterator[str]:
        if spec.agent.kind != "r2d2":
            yield f"record.probes fresh_delta_q needs agent r2d2, not {spec.agent.kind}"
        elif spec.agent.state == "carried":
            yield "record.probes fresh_delta_q does not go with agent.state carried"


def _values_only(probe: str, spec: Any) -> Iterator[str]:
    """The sentence about agents without action values of single observations."""
    if spec.agent.kind != "dqn" or spec.network.core.kind != "none":
        core = f" and network.core {spec.network.core.kind}" if spec.agent.kind == "dqn" else ""
        yield f"record.probes {probe} needs agent dqn and network.core none, not agent {spec.agent.kind}{core}"
    elif spec.network.head.kind == "implicit":
        yield f"record.probes {probe} needs network.head plain or dueling: implicit sees drawn levels too"


class NoNorms(Part):
    kind: Literal["none"] = Field(description="no norms are read")


class Norms(Part):
    code: ClassVar[str] = "agents.optim.spectral:measure"
    kind: Literal["spectral"] = Field(description="the largest singular value of layers, read and not changed")
    layers: Layers = Field(description="by index from the output: -1 is the last one")
    power_steps: Count = Field(description="power iterations at initialisation and at each reading")

    def misfits(self, spec: Any) -> Iterator[str]:
        yield from beyond("record.norms.layers", self.layers, spec)


class Record(Part):
    learning_every_frames: Period = Field(description="one row per metric in learning.parquet this often")
    bins: Count = Field(description="rows per metric in summary.parquet")
    norms: Annotated[NoNorms | Norms, *OneOf] = Field(
        description="whether layers' norms are read, for learning.parquet"
    )
    probes: list[Annotated[FeatureRank | Lipschitz | TDError | FreshDeltaQ, *OneOf]] = Field(
        description="measured at every evaluation after the first update"
    )

    @model_validator(mode="after")
    def _probes_apart(self) -> "Record":
        kinds = [probe.kind for probe in self.probes]
        if twice := [kind for kind in dict.fromkeys(kinds) if kinds.count(kind) > 1]:
            raise ValueError(f"probes {', '.join(twice)} given twice: one would take the place of the other")
        return self
