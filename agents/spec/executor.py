"""Executors: where acting and learning happen, and how far the one may lag behind the other."""

from typing import Annotated, Literal

from pydantic import Field

from agents.spec.base import Count, Part, Whole


class Inline(Part):
    kind: Literal["inline"] = Field(description="acting and learning take turns in one process: repeatable to the bit")
    lags_updates: Annotated[list[Annotated[Whole, Field(ge=0)]], Field(min_length=1)] = Field(
        description="stream i acts with the parameters of lags_updates[i mod length] updates ago, fetched when its "
        "unroll starts; [0]: with the newest"
    )


class Actors(Part):
    kind: Literal["processes", "ray"] = Field(
        description="actors beside the learner: processes on its node, or Ray actors on the nodes of one allocation"
    )
    actors: Count = Field(description="each has environment.streams / actors environments")
    slots: Annotated[Whole, Field(ge=2)] = Field(description="chunks that acting may be ahead of learning")
    chunk_steps: Count = Field(description="agent steps in a chunk: what is sent at once")
    pull_every_steps: Count = Field(description="agent steps between fetches of the newest parameters")


class Hogwild(Part):
    kind: Literal["hogwild"] = Field(
        description="lock-free actor-learners (A3C): processes of one node, each with its environments and its copy of "
        "the network, update shared parameters with shared statistics of RMSprop; on CPUs; never the same bits twice"
    )
    actors: Count = Field(
        description="each has environment.streams / actors environments, one unroll of each an update"
    )


Executor = Annotated[Inline | Actors | Hogwild, Field(discriminator="kind")]
