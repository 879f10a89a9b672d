"""What can be known wrong of a valid spec before it is run: numbers that do not go together.

`faults` would end the run; `doubts` give results that say less than they seem to. Both are (dotted key, sentence).
"""

from __future__ import annotations

from collections.abc import Iterator

from agents.spec import Spec
from agents.spec.base import Identified

Said = tuple[str, str]


def faults(spec: Identified) -> Iterator[Said]:
    """What ends a run with an error as soon as it starts or learns."""
    if not isinstance(spec, Spec):
        return
    yield from _kernels(spec)
    memory, window = spec.memory, spec.agent.window
    rows = memory.capacity_steps // (_streams(spec) * memory.copies)
    if rows < window + spec.environment.stack + 1:
        yield (
            "memory.capacity_steps",
            f"{memory.capacity_steps:,} steps are {rows:,} of each of {_streams(spec) * memory.copies} streams: "
            f"too few for what is drawn at once ({window} steps and a stack of {spec.environment.stack})",
        )
    first, clock = spec.first_update_frame, spec.learning.clock
    if memory.select.kind in ("uniform", "proportional", "rank") and spec.learns:
        ready = (window + 1) * spec.environment.repeat * spec.environment.streams
        if first < ready:
            yield (
                "learning.clock.start_frames",
                f"the first update comes at frame {first:,}, when the memory holds no whole window yet: "
                f"at least {max(0, ready - clock.every_frames):,} are wanted",
            )


def _kernels(spec: Spec) -> Iterator[Said]:
    """The first convolution that is larger than what it sees."""
    side = spec.environment.side
    if spec.network.torso.kind != "convolutional" or not side:
        return
    for _, kernel, stride in spec.network.convolutions:
        if kernel > side:
            yield "network.convolutions", f"a {kernel}x{kernel} kernel does not fit into {side}x{side} pixels"
            return
        side = (side - kernel) // stride + 1


def doubts(spec: Identified) -> Iterator[Said]:
    """What makes a run say less than it seems to."""
    if not isinstance(spec, Spec):
        return
    budget, learning, evaluation = spec.budget_frames, spec.learning, spec.evaluation
    learns = spec.learns
    linear = spec.exploration.kind == "linear"
    random = linear and spec.exploration.end == 1 and evaluation.epsilon == 1  # a random policy, on purpose
    if not learns and not random:
        yield _never(spec)
    if evaluation.every_frames > budget:
        yield (
            "evaluation.every_frames",
            f"only the untrained network is ever evaluated: every {evaluation.every_frames:,} frames of a budget of "
            f"{budget:,}",
        )
    if evaluation.frames and evaluation.frames < evaluation.cap_frames:
        yield (
            "evaluation.frames",
            f"an episode may last {evaluation.cap_frames:,} frames (evaluation.cap_frames), an evaluation only "
            f"{evaluation.frames:,}: longer episodes never count, and where none ends there is no score",
        )
    if not learns or random:
        return
    if spec.record.learning_every_frames > budget:
        yield (
            "record.learning_every_frames",
            f"no loss is ever recorded, and divergence is seen late: every {spec.record.learning_every_frames:,} "
            f"frames of a budget of {budget:,}",
        )
    if learning.lr_decay_frames and learning.lr_decay_frames < budget:
        yield (
            "learning.lr_decay_frames",
            f"the learning rate is 0 from frame {learning.lr_decay_frames:,} of a budget of {budget:,}",
        )


def _never(spec: Spec) -> Said:
    budget, clock = spec.budget_frames, spec.learning.clock
    if clock.kind == "unrolls":
        return (
            "learning.batch",
            f"no update will ever be made: the first batch of whole unrolls is there at frame {spec.first_update_frame:,} "
            f"of a budget of {budget:,}",
        )
    if clock.start_frames >= budget:
        return (
            "learning.clock.start_frames",
            f"no update will ever be made: learning starts at frame {clock.start_frames:,} of {budget:,}",
        )
    return (
        "learning.clock.every_frames",
        f"no update will ever be made: the first one is due at frame {spec.first_update_frame:,} of a budget of {budget:,}",
    )


def _streams(spec: Spec) -> int:
    """Environments whose rows lie in one memory: lock-free workers have one each."""
    return spec.environment.streams // (spec.executor.actors if spec.executor.kind == "hogwild" else 1)
