"""What every part of a spec is made of: strict numbers, and a closed, frozen model that says by itself what it needs.

A number that what computes with it or keeps it cannot hold is refused here, before anything is done with it. Parts that
exclude each other are unions told apart by `kind`, so that a spec holds no number that nothing reads. A part says which
code it stands for (`code`), makes it (`make`), and says what does not go with it (`misfits`).
"""

import functools
import hashlib
import json
from collections.abc import Iterator
from importlib import import_module
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field


def _number(value: Any) -> Any:
    if isinstance(value, bool | str):
        raise ValueError(f"a number is wanted, not {value!r}")
    return value


INT64, INT32 = 2**63 - 1, 2**31 - 1  # what columns of tables hold, seeds among them; what libraries take as counts
LARGEST = 1e38  # networks compute in float32, which ends at 3.4e38; a sum of two has room
EXACT = 2**53  # frames up to here are whole numbers as float64 too, which means and axes are made of

_Integer = Annotated[int, BeforeValidator(_number)]


Whole = Annotated[_Integer, Field(ge=-INT64, le=INT64)]


Real = Annotated[float, BeforeValidator(_number), Field(allow_inf_nan=False, ge=-LARGEST, le=LARGEST)]


Frames = Annotated[_Integer, Field(ge=0, le=EXACT, description="environment frames")]


Period = Annotated[_Integer, Field(ge=1, le=EXACT, description="environment frames")]


Length = Annotated[_Integer, Field(ge=1, le=INT32, description="environment frames of one episode")]


Count = Annotated[_Integer, Field(ge=1, le=INT32)]


Probability = Annotated[Real, Field(ge=0, le=1)]


Game = Annotated[str, Field(pattern=r"^[a-z0-9_]+$")]


def _each_once(values: list[Any]) -> list[Any]:
    if twice := [value for i, value in enumerate(values) if value in values[:i]]:
        raise ValueError(f"{twice[0]!r} is given twice")
    return values


EachOnce = AfterValidator(_each_once)  # of a list: Annotated[list[A], EachOnce]


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)  # built when first used: few of many are

    code: ClassVar[str] = ""  # "module:attribute", imported when it is made; what a code fingerprint follows

    def codes(self) -> Iterator[str]:
        """All code that this part alone stands for."""
        if self.code:
            yield self.code

    def make(self, *given: Any, **named: Any) -> Any:
        """What the part stands for, made of itself and of what is given."""
        return load(self.code)(self, *given, **named)

    def misfits(self, spec: Any) -> Iterator[str]:
        """Sentences that say what in `spec` does not go with this part; each names both."""
        yield from ()


class Numbers(Part):
    """A part whose code knows no specs (losses, layers): after what is given it gets the numbers, by name."""

    def make(self, *given: Any, **named: Any) -> Any:
        return load(self.code)(*given, **named, **self.model_dump(exclude={"kind"}))


def load(code: str) -> Any:
    """The class or function of "module:attribute"."""
    module, _, attribute = code.partition(":")
    return getattr(import_module(module), attribute)


def by_kind(value: Any) -> Any:
    """Before a union chooses by `kind`: one without numbers may be written as its kind alone."""
    return {"kind": value} if isinstance(value, str) else value


OneOf = (Field(discriminator="kind"), BeforeValidator(by_kind))  # of a union of parts: Annotated[A | B, *OneOf]


def parts(part: Part) -> list[Part]:
    """A part and all parts within it, in the order of their keys."""
    found = [part]
    for value in vars(part).values():
        for inner in value if type(value) is list else (value,):
            if _is_part(type(inner)):
                found += parts(inner)
    return found


@functools.cache
def _is_part(kind: type) -> bool:
    """Asked a hundred times for each of thousands of specs: of models it takes Python long."""
    return issubclass(kind, Part)


class Identified(Part):
    """What the specs of all kinds of runs have: the fields that the pipeline gives, and the name that follows.

    A kind of run adds `agent` with a `kind`, `environment` with `suite` and `game`, and says where its code is.
    """

    version: Literal[1] = Field(description="of the form of specs; a run keeps the one that it was made with")
    budget_frames: Period = Field(
        description="environment frames that it is trained; of a study updates, transitions or whatever it counts"
    )
    seed: Whole = Field(ge=0, description="of all random streams of the run, each of which has a name")
    device: Literal["cpu", "cuda"] = Field(
        description="what it trains on; another one gives other bits, so it identifies the run"
    )
    threads: Count = Field(description="torch threads; they change the bits of a result, so they identify a run")

    @property
    def gpu(self) -> bool:
        """Whether a GPU can serve it."""
        return True

    @property
    def cores(self) -> int:
        """Threads that compute at the same time."""
        return self.threads

    @property
    def launcher(self) -> str:
        """What stands before the run's command in a job."""
        return "env"

    def components(self) -> list[str]:
        """The "module:attribute" of every part: what the run's code fingerprint follows, beside its driver."""
        return sorted({code for part in parts(self) for code in part.codes()})

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
