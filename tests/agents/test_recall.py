"""What the recall task asks of R2D2: that it is learned, and how far a sequence reaches."""

import numpy as np
import pytest

from agents.build import build
from agents.run.evaluate import evaluate
from tests.agents.specs import spec
from tests.agents.test_sequences import drawn

SHIPPED = {
    "learning__clock__start_frames": 1_000,
    "learning__target_every_frames": 800,
    "memory__capacity_steps": 20_000,
}
GREEDY = {"evaluation__episodes": 64, "evaluation__streams": 16}


def parts_of(**changes):
    run = spec("r2d2_recall", "cue", **SHIPPED, **GREEDY, **changes)
    return run, build(run)


@pytest.mark.parametrize(("sequence", "reaches"), [(6, True), (5, False)])
def test_the_choice_is_learned_back_to_the_cue_only_where_a_sequence_holds_both(sequence, reaches):
    """Delay 4: the cue is row 0, the choice row 5, alone in what is learned from here."""
    _, parts = parts_of(agent__sequence=sequence)
    for _ in range(40):
        parts.memory.add(parts.actor.step())
    agent, batch = parts.learner.agent, drawn(parts, begins=True)
    obs = batch.obs.float().requires_grad_()
    picked = agent.picked(batch._replace(obs=obs))
    q = agent.replayed(agent.online, batch._replace(obs=obs), picked)[:sequence]
    choice = picked["obs"][:sequence, :, -1, 0, 0] == 1
    assert choice.any(1).tolist() == [t == 5 for t in range(sequence)]
    if reaches:
        q[5].sum().backward()
        assert (obs.grad[0] != 0).flatten(1).any(1).all()


@pytest.mark.parametrize("state", ["stored", "zero"])
def test_a_delay_within_a_sequence_is_learned(state):
    """Delay 2, sequences of 5: all 64 greedy episodes right, from either start. Chance: 0, a fixed choice too."""
    small = {"network__core": {"kind": "lstm", "before": [], "units": 32, "inputs": False}, "network__units": [32]}
    run, parts = parts_of(environment__delay=2, agent__state=state, optimizer__lr=2e-3, **small)
    actor, memory, learner, *_ = parts
    while actor.frames < 5_000:
        memory.add(actor.step())
        if actor.frames >= 1_000:  # an update for each row of the 16 environments
            batch = memory.draw(actor.frames)
            memory.update(batch.key, learner.learn(batch))
    episodes = evaluate(run, learner.agent, parts.device, 0, lambda: True)
    assert np.mean([e.score for e in episodes]) == 1 and len(episodes) == 64
