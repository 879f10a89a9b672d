"""What every part of a spec is made of: strict numbers and a closed, frozen model.

A number that what computes with it or keeps it cannot hold is refused here, before anything is done with it.
"""

import hashlib
import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


def _number(value: Any) -> Any:
    if isinstance(value, bool | str):
        raise ValueError(f"a number is wanted, not {value!r}")
    return value


INT64, INT32 = 2**63 - 1, 2**31 - 1  # what columns of tables hold, seeds among them; what libraries take as counts
EXACT = 2**53  # frames up to here are whole numbers as float64 too, which means and axes are made of

_Integer = Annotated[int, BeforeValidator(_number)]


Whole = Annotated[_Integer, Field(ge=-INT64, le=INT64)]


Real = Annotated[float, BeforeValidator(_number), Field(allow_inf_nan=False)]


Frames = Annotated[_Integer, Field(ge=0, le=EXACT, description="environment frames")]


Period = Annotated[_Integer, Field(ge=1, le=EXACT, description="environment frames")]


Length = Annotated[_Integer, Field(ge=1, le=INT32, description="environment frames of one episode")]


Count = Annotated[_Integer, Field(ge=1, le=INT32)]


Probability = Annotated[Real, Field(ge=0, le=1)]


Game = Annotated[str, Field(pattern=r"^[a-z0-9_]+$")]


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Identified(Part):
    """What the specs of all kinds of runs have: the fields that the pipeline gives, and the name that follows.

    A kind of run adds `agent` with a `kind`, `environment` with `suite` and `game`, and says where its code is.
    """

    version: Literal[1]
    budget_frames: Period
    seed: Whole = Field(ge=0)
    device: Literal["cpu", "cuda"]
    threads: Count = Field(description="torch threads; they change the bits of a result, so they identify a run")

    def canonical(self) -> str:
        """The JSON text that identifies the run: sorted keys, no spaces."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))

    def digest(self) -> str:
        """SHA-256 of the canonical JSON, hexadecimal."""
        return hashlib.sha256(self.canonical().encode()).hexdigest()

    def name(self) -> str:
        """Folder name of the run: agent.suite-game.seed.digest."""
        env = self.environment
        return f"{self.agent.kind}.{env.suite}-{env.game}.s{self.seed}.{self.digest()[:12]}"
