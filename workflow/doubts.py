"""What makes a valid spec say less than it seems to: numbers that do not go together, as (dotted key, sentence)."""

from __future__ import annotations

from collections.abc import Iterator

from agents.spec.base import Identified
from agents.spec.run import Spec

Said = tuple[str, str]


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
    budget, clock, first = spec.budget_frames, spec.learning.clock, spec.first_update_frame
    if clock.kind == "unrolls":
        return (
            "learning.batch",
            f"no update will ever be made: the first batch of whole unrolls is there at frame {first:,} of a budget of "
            f"{budget:,}",
        )
    if clock.start_frames >= budget:
        return (
            "learning.clock.start_frames",
            f"no update will ever be made: learning starts at frame {clock.start_frames:,} of {budget:,}",
        )
    return (
        "learning.clock.every_frames",
        f"no update will ever be made: the first one is due at frame {first:,} of a budget of {budget:,}",
    )
