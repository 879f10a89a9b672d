"""Delta Q of replayed sequences, against the states acted with and against states unrolled anew."""

import numpy as np
import pytest
import torch

from agents.measure.delta_q import fresh_delta_q
from agents.memory.replay import Replay
from agents.memory.select import Uniform
from agents.memory.store import FrameStore
from agents.r2d2 import R2D2
from agents.spec.memory import UniformSelect
from agents.step import ActorInput, Step
from tests.agents.specs import given, spec, without_step
from tests.agents.test_sequences import drawn, small, unequal


def test_stored_states_and_unchanged_parameters_give_no_delta_q():
    parts = small(agent__burn_in=0)
    agent = parts.learner.agent
    metrics = without_step(agent, drawn(parts)).metrics
    assert metrics["delta_q_first"].item() < 1e-5 and metrics["delta_q_last"].item() < 1e-5
    parts = small(agent__burn_in=0, agent__state="zero")
    metrics = without_step(parts.learner.agent, drawn(parts)).metrics
    assert metrics["delta_q_first"] > 1e-3 and metrics["delta_q_first"] > metrics["delta_q_last"]
    assert "delta_q_first" not in without_step(parts.learner.agent, drawn(parts, begins=True)).metrics


class Leaky(torch.nn.Module):
    """s' = w s + x, and Q = (s', 0): a recurrent network to be followed by hand. A state is [B, 2, 1], its cell 0."""

    def __init__(self, w: float):
        super().__init__()
        self.w = torch.nn.Parameter(torch.tensor(w))

    def initial(self, size: int) -> torch.Tensor:
        return torch.zeros(size, 2, 1)

    def resample(self, noise) -> None:
        pass

    def unroll(self, obs, action, reward, state, first=None):
        values, s = [], state[:, 0, 0]
        for t, x in enumerate(obs.float().flatten(2).sum(-1)):
            s = self.w * (s if first is None else torch.where(first[t], 0, s)) + x
            values.append(torch.stack([s, torch.zeros_like(s)], -1)[..., None])
        return torch.stack(values), torch.stack([s, torch.zeros_like(s)], 1)[..., None]


def leaky(state: str, burn_in: int):
    """An episode of ones acted with w = 1: before row t the state is t. Then w = 1/2. m = 2; sequences at rows 0, 4."""
    changes = {"sequence": 2, "burn_in": burn_in, "period": 4, "n_step": 1, "state": state, "discount": 1.0}
    changes = {f"agent__{name}": value for name, value in changes.items()}
    run = spec("r2d2_minatar", "asterix", agent__measure_delta_q=True, agent__rescale_epsilon=None, **changes)
    agent = R2D2(run.agent, given(Leaky(1.0), 2))
    store = FrameStore(100, 1, (1, 1, 1), np.uint8, 1, agent.sequence_spec, 1.0)
    one, no, after = np.ones(1, np.float32), np.zeros(1, bool), None
    for t in range(8 + burn_in + 2):  # the sequence at row 8 is not whole yet
        inputs = ActorInput(torch.ones(1, 1, 1, 1), no | (t == 0), np.zeros(1, np.int64), one, after)
        output = agent.act(inputs, 0.0, np.random.default_rng(0))
        after = output.state
        store.add(Step(np.ones((1, 1, 1, 1), np.uint8), output.action, one, one, inputs.first, no, output.extras))
    with torch.no_grad():
        agent.online.w.fill_(0.5)
    select = Uniform(UniformSelect(kind="uniform"), store)
    return agent, Replay(store, select, np.random.default_rng(0), 2, torch.device("cpu"))


# With w = 1/2 from its start, s after row t is 2 - 2^-t. The states kept: 4, 5, 6 before rows 4, 5, 6.
@pytest.mark.parametrize(
    ("state", "burn_in", "q", "acted", "fresh"),
    [
        # rows 4 and 5
        ("zero", 0, (1.0, 1.5), (3.0, 3.5), (1.9375, 1.96875)),
        ("stored", 0, (3.0, 2.5), (3.0, 3.5), (1.9375, 1.96875)),
        # rows 5 and 6, after row 4: 1 from zero, 3 from 4
        ("zero", 1, (1.5, 1.75), (3.5, 4.0), (1.96875, 1.984375)),
        ("stored", 1, (2.5, 2.25), (3.5, 4.0), (1.96875, 1.984375)),
    ],
)
def test_delta_q_by_hand(state, burn_in, q, acted, fresh):
    """|q - reference| / max q: against the state acted with (section 3), and against one unrolled anew."""
    agent, memory = leaky(state, burn_in)
    keys = np.array([0, 4])
    assert memory.store.valid(np.arange(*memory.store.span())).nonzero()[0].tolist() == [0, 4]
    metrics = without_step(agent, memory.store.gather(keys, np.ones(2, np.float32))).metrics
    metrics |= fresh_delta_q(agent, memory, np.random.default_rng(1), 20)
    for name, reference in (("delta_q", acted), ("fresh_delta_q", fresh)):
        for at, (ours, theirs) in enumerate(zip(q, reference, strict=True)):
            assert float(metrics[f"{name}_{('first', 'last')[at]}"]) == pytest.approx(abs(ours - theirs) / max(q))


def test_fresh_delta_q_wants_the_episodes_first_row():
    """Nothing is measured where it was overwritten, or where every sequence begins an episode."""
    agent, memory = leaky("zero", 0)
    memory.store.rows = 8  # of 10: rows 0 and 1 count as overwritten
    assert fresh_delta_q(agent, memory, np.random.default_rng(1), 20) == {}


def test_stored_states_and_unchanged_parameters_give_no_fresh_delta_q_either():
    """On a real network, with blank observations and several environments whose episodes differ in length."""
    parts = small(environment__flicker=0.5)
    found = fresh_delta_q(parts.learner.agent, parts.memory, np.random.default_rng(0), 64)
    assert found["fresh_delta_q_first"] < 1e-5 and found["fresh_delta_q_last"] < 1e-5
    unequal(parts.learner.agent)  # the target network takes no part
    assert fresh_delta_q(parts.learner.agent, parts.memory, np.random.default_rng(0), 64) == found
    parts = small(environment__flicker=0.5, agent__state="zero")
    found = fresh_delta_q(parts.learner.agent, parts.memory, np.random.default_rng(0), 64)
    assert found["fresh_delta_q_first"] > 1e-5


def test_fresh_delta_q_is_for_sequences():
    with pytest.raises(ValueError, match=r"record\.probes fresh_delta_q needs agent r2d2, not dqn"):
        spec(record__probes=[{"kind": "fresh_delta_q", "states": 8}])
