"""Named random streams from one seed.

Each part of a run draws from its own counter-based generator (Philox), so that no draw depends on the order in
which other parts draw. States go through JSON-like values, so that checkpoints need no pickle.
"""

from typing import Any

import numpy as np

STREAMS = (
    "environment",
    "exploration",
    "memory",
    "initialisation",
    "noise",
    "evaluation",
    "spectral",
    "probe",
    "observation",
    "epsilon",
)


def _sequence(seed: int, stream: str, index: tuple[int, ...]) -> np.random.SeedSequence:
    return np.random.SeedSequence(seed, spawn_key=(STREAMS.index(stream), *index))


def generator(seed: int, stream: str, *index: int) -> np.random.Generator:
    """The generator of a named stream; `index` separates its members (environment 3, evaluation 7)."""
    return np.random.Generator(np.random.Philox(_sequence(seed, stream, index)))


def integer_seed(seed: int, stream: str, *index: int) -> int:
    """A 31-bit seed for libraries that take an integer."""
    return int(_sequence(seed, stream, index).generate_state(1)[0] >> 1)


def rng_state(rng: np.random.Generator) -> dict[str, Any]:
    """The generator's state as plain lists and integers."""
    raw = rng.bit_generator.state
    return {
        **raw,
        "state": {k: v.tolist() for k, v in raw["state"].items()},
        "buffer": raw["buffer"].tolist(),
    }


def restore_rng(rng: np.random.Generator, saved: dict[str, Any]) -> None:
    """Put the generator back where `rng_state` found it."""
    arrays = {k: np.array(v, dtype=np.uint64) for k, v in saved["state"].items()}
    rng.bit_generator.state = {**saved, "state": arrays, "buffer": np.array(saved["buffer"], dtype=np.uint64)}
