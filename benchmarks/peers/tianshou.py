"""tianshou: DQN on MinAtar, by its Collector and the algorithm's `update` after each step.

That is what its OffPolicyTrainer does with one step and one gradient step per iteration, without the trainer's own
books and progress bars. One environment (a DummyVectorEnv), Huber loss, not double; the rest as benchmarks/suites.py
says. Epsilon-greedy at 0.1 throughout.
"""

from collections.abc import Callable

import torch
from tianshou.algorithm import DQN
from tianshou.algorithm.modelfree.dqn import DiscreteQLearningPolicy
from tianshou.algorithm.optim import AdamOptimizerFactory
from tianshou.data import Collector, VectorReplayBuffer
from tianshou.env import DummyVectorEnv
from tianshou.utils.torch_utils import policy_within_training_step, torch_train_mode
from torch import nn

from benchmarks.peers.game import MinAtar, values
from benchmarks.suites import ADAM_EPSILON, BATCH, DISCOUNT, EPSILON, LR, MEMORY_STEPS, START_FRAMES, TARGET_UPDATES


class Model(nn.Module):
    """The network in tianshou's form: arrays in, values and a state out."""

    def __init__(self):
        super().__init__()
        self.net = values()

    def forward(self, obs, state=None, info=None):
        return self.net(torch.as_tensor(obs, dtype=torch.float32)), state


def make(suite: str) -> Callable[[int], object]:
    """What does so many frames of the suite."""
    env = DummyVectorEnv([MinAtar])
    policy = DiscreteQLearningPolicy(
        model=Model(), action_space=MinAtar.action_space, eps_training=EPSILON, eps_inference=EPSILON
    )
    algorithm = DQN(
        policy=policy,
        optim=AdamOptimizerFactory(lr=LR, eps=ADAM_EPSILON),
        gamma=DISCOUNT,
        target_update_freq=TARGET_UPDATES,
        is_double=False,
        huber_loss_delta=1.0,
    )
    collector = Collector(policy, env, VectorReplayBuffer(MEMORY_STEPS, 1), exploration_noise=True)
    collector.reset()

    def advance(frames: int) -> None:
        with policy_within_training_step(policy):
            for _ in range(frames):
                collector.collect(n_step=1)
                if len(collector.buffer) > START_FRAMES:
                    with torch_train_mode(policy):
                        algorithm.update(collector.buffer, BATCH)

    return advance
