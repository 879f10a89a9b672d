"""torchrl: DQN on MinAtar, as its own example does it (sota-implementations/dqn): a collector, and the loop by hand.

A collector that gives one frame at a time, a TensorDictReplayBuffer, DQNLoss (smooth L1, not double) and HardUpdate;
the rest as benchmarks/suites.py says. Nothing is compiled.
"""

from collections.abc import Callable

import torch
from tensordict.nn import TensorDictSequential
from torchrl.collectors import Collector
from torchrl.data import LazyTensorStorage, TensorDictReplayBuffer
from torchrl.envs import GymWrapper
from torchrl.modules import EGreedyModule, QValueActor
from torchrl.objectives import DQNLoss, HardUpdate

from benchmarks.peers.game import MinAtar, values
from benchmarks.suites import ADAM_EPSILON, BATCH, DISCOUNT, EPSILON, LR, MEMORY_STEPS, START_FRAMES, TARGET_UPDATES


def make(suite: str) -> Callable[[int], object]:
    """What does so many frames of the suite."""
    env = GymWrapper(MinAtar(), categorical_action_encoding=True)
    actor = QValueActor(values(), in_keys=["observation"], spec=env.action_spec)
    explore = EGreedyModule(env.action_spec, eps_init=EPSILON, eps_end=EPSILON)
    policy = TensorDictSequential(actor, explore)
    collector = Collector(env, policy, frames_per_batch=1, total_frames=-1, auto_register_policy_transforms=False)
    memory = TensorDictReplayBuffer(storage=LazyTensorStorage(MEMORY_STEPS), batch_size=BATCH)
    loss_of = DQNLoss(actor, loss_function="smooth_l1", delay_value=True)
    loss_of.make_value_estimator(gamma=DISCOUNT)
    copy = HardUpdate(loss_of, value_network_update_interval=TARGET_UPDATES)
    optimizer = torch.optim.Adam(loss_of.parameters(), lr=LR, eps=ADAM_EPSILON)
    steps = iter(collector)

    def advance(frames: int) -> None:
        for _ in range(frames):
            memory.extend(next(steps).reshape(-1))
            if len(memory) > START_FRAMES:
                loss = loss_of(memory.sample())["loss"]
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                copy.step()

    return advance
