"""pfrl: DQN on MinAtar, by `act` and `observe` of its agent, which learns within `observe`.

Its loop of experiments does the same; it needs an older gym, so the game is stepped here. Huber loss; the rest as
benchmarks/suites.py says.
"""

from collections.abc import Callable

import pfrl
import torch
from torch import nn

from benchmarks.peers.game import MinAtar, values
from benchmarks.suites import ADAM_EPSILON, BATCH, DISCOUNT, EPSILON, LR, MEMORY_STEPS, START_FRAMES, TARGET_UPDATES


def make(suite: str) -> Callable[[int], object]:
    """What does so many frames of the suite."""
    model = nn.Sequential(values(), pfrl.q_functions.DiscreteActionValueHead())
    agent = pfrl.agents.DQN(
        model,
        torch.optim.Adam(model.parameters(), lr=LR, eps=ADAM_EPSILON),
        pfrl.replay_buffers.ReplayBuffer(MEMORY_STEPS),
        gamma=DISCOUNT,
        explorer=pfrl.explorers.ConstantEpsilonGreedy(EPSILON, MinAtar.action_space.sample),
        replay_start_size=START_FRAMES,
        minibatch_size=BATCH,
        update_interval=1,
        target_update_interval=TARGET_UPDATES,
    )
    game = MinAtar()
    obs, _ = game.reset()

    def advance(frames: int) -> None:
        nonlocal obs
        for _ in range(frames):
            obs, reward, terminal, _, _ = game.step(agent.act(obs))
            agent.observe(obs, reward, terminal, False)
            if terminal:
                obs, _ = game.reset()

    return advance
