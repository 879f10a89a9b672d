"""What values say while an evaluation is played: means by hand, and beside the evaluation itself."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from agents.build import build
from agents.measure.played import Returns, Snapshots
from agents.run.evaluate import evaluate, trial
from agents.spec.evaluation import Returns as ReturnsSpec
from agents.spec.evaluation import Snapshots as SnapshotsSpec
from agents.step import Step
from tests.agents.specs import actor_input, spec

RETURNS = ReturnsSpec(kind="returns")


def row(q: float, reward: float = 0.0, discount: float = 1.0, last: bool = False) -> Step:
    numbers = np.array([reward], np.float32), np.array([discount], np.float32)
    flags = np.array([False]), np.array([last])
    return Step(np.zeros((1, 1)), np.zeros(1, int), *numbers, *flags, {"q_best": np.array([q], np.float32)})


def test_returns_by_hand():
    """gamma 1/2: 1 + 1/2 (0 + 1/2 2) = 1.5, 1, 2; a life lost at the second row cuts the first two there: 1, 0, 2."""
    watcher = Returns(RETURNS, SimpleNamespace(), 0.5)
    show = lambda steps, at: [watcher.see(s, np.array([i == at])) for i, s in enumerate(steps)]  # noqa: E731
    show((row(4, 1), row(2), row(3, 2, 0.0), row(9, last=True), row(7, 5)), 2)
    assert watcher.measured() == {"predicted_returns": 3.0, "discounted_returns": 1.5}  # the open episode is left out
    show((row(4, 1), row(2, 0, 0.0), row(3, 2, 0.0)), 2)  # 5, 1, 0, 2 after the row that was open
    assert watcher.measured() == pytest.approx(
        {"predicted_returns": 25 / 7, "discounted_returns": (4.5 + 5.5 + 1 + 0 + 2) / 7}
    )
    assert Returns(RETURNS, SimpleNamespace(), 0.5).measured() == {}


@pytest.mark.parametrize("algorithm", ["dqn_minatar_sn", "rainbow_minatar"])
def test_the_states_are_those_of_the_evaluation(algorithm):
    """At discount 1 and in training rewards that are the game's own, the first state's return is the score."""
    run = spec(algorithm, agent__discount=1.0, evaluation__epsilon=0.1, evaluation__episodes=3, evaluation__streams=1)
    parts = build(run)
    agent, yes = parts.learner.agent, lambda: True
    episodes = evaluate(run, agent, parts.device, 4, yes)
    watcher = Returns(RETURNS, agent, 1.0)
    seen = []
    both = lambda step, ended: (watcher.see(step, ended), seen.append((step, ended.copy())))  # noqa: E731
    assert evaluate(run, watcher.agent, parts.device, 4, yes, both) == episodes
    q = [torch.from_numpy(step.obs) for step, _ in seen if not step.last[0]]
    agent.online.eval()  # without noise, as it was played
    best = [agent.value.mean(agent.online(obs)).max().item() for obs in q[: watcher.states]]
    found = trial(run, agent, parts.device, 4, RETURNS, yes)
    assert found == pytest.approx({"predicted_returns": np.mean(best), **_return_means(seen)}, rel=1e-5)
    assert agent.keep == ()


def _return_means(seen: list[tuple[Step, np.ndarray]]) -> dict[str, float]:
    """Naively: of each state the sum of what followed, up to the end of its episode."""
    returns, rewards = [], []
    for step, ended in seen:
        rewards += [] if step.last[0] else [float(step.reward[0])]
        if ended[0]:
            returns += [sum(rewards[i:]) for i in range(len(rewards))]
            rewards = []
    return {"discounted_returns": float(np.mean(returns))}


def test_snapshots_are_the_distributions_at_their_steps():
    run = spec("rainbow_minatar", agent__value__atoms=3, agent__value__low=-1.0, agent__value__high=1.0)
    parts = build(run)
    agent = parts.learner.agent
    watcher = Snapshots(SnapshotsSpec(kind="snapshots", steps=[2]), agent, 0.99)
    screens = [torch.randint(2, (1, 4, 10, 10), dtype=torch.uint8) for _ in range(3)]
    with torch.inference_mode():
        acted = [watcher.act(actor_input(obs), 0.0, np.random.default_rng(0)).action[0] for obs in screens]
        wanted = agent.online(screens[1])[0].softmax(-1)
    found = watcher.measured()
    assert len(found) == 6 * 3 and found["return_probability[2,5,-1]"] == pytest.approx(wanted[5, 0].item())
    assert sum(found.values()) == pytest.approx(6)
    values = wanted @ torch.tensor([-1.0, 0.0, 1.0])
    assert acted[1] == values.argmax() or agent.online.noisy  # noise may have been drawn anew


def test_what_does_not_go_together_is_refused():
    for algorithm, wanted, sentence in (
        ("a2c_minatar", "returns", "of kind returns need agent dqn, not actor_critic"),
        ("dqn_minatar_sn", {"kind": "snapshots", "steps": [1]}, "with agent.value categorical, not dqn with agent"),
    ):
        with pytest.raises(ValueError, match=sentence):
            spec(algorithm, evaluation__trials=[wanted])
