"""A turn of a run whose learner is in the process that gets the rows."""

from agents.build import Parts
from agents.clock import ticks
from agents.spec import Spec


def rows(spec: Spec, parts: Parts) -> None:
    """One row from every environment, and the learning that falls due."""
    _, actor, memory, learner, *_ = parts
    before = actor.frames
    memory.close(actor.lost())
    memory.add(actor.step())
    memory.see(*actor.current())
    after = actor.frames
    for _ in range(memory.due(ticks(before, after, spec.learning.every_frames, spec.learning.start_frames))):
        batch = memory.draw(after)
        memory.update(batch.key, learner.learn(batch))
