"""What every part of a spec is made of: strict numbers and a closed, frozen model."""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


def _number(value: Any) -> Any:
    if isinstance(value, bool | str):
        raise ValueError(f"a number is wanted, not {value!r}")
    return value


Whole = Annotated[int, BeforeValidator(_number)]


Real = Annotated[float, BeforeValidator(_number), Field(allow_inf_nan=False)]


Frames = Annotated[Whole, Field(ge=0, description="environment frames")]


Period = Annotated[Whole, Field(ge=1, description="environment frames")]


Count = Annotated[Whole, Field(ge=1)]


Probability = Annotated[Real, Field(ge=0, le=1)]


Game = Annotated[str, Field(pattern=r"^[a-z0-9_]+$")]


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
