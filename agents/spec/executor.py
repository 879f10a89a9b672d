"""Executors: where acting and learning happen, and how far the one may lag behind the other."""

from typing import Annotated, Literal

from pydantic import Field

from agents.spec.base import Part, Whole


class Inline(Part):
    kind: Literal["inline"] = Field(description="acting and learning take turns in one process: repeatable to the bit")
    lags_updates: Annotated[list[Annotated[Whole, Field(ge=0)]], Field(min_length=1)] = Field(
        description="stream i acts with the parameters of lags_updates[i mod length] updates ago, fetched when its "
        "unroll starts; [0]: with the newest"
    )
