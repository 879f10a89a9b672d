"""stable-baselines3: DQN on MinAtar and Atari, A2C on MinAtar, by `model.learn` with its own wrappers and logger.

DQN: as benchmarks/suites.py says, Huber loss; its gradients are clipped to 10, which it cannot leave out. Atari: its
AtariWrapper, four frames a step, memory of 10,000. A2C: 16 environments in one process, unrolls of 5, RMSprop, as
config/algorithms/a2c_minatar.yaml.
"""

from collections.abc import Callable

import gymnasium as gym
from stable_baselines3 import A2C, DQN
from stable_baselines3.common.atari_wrappers import AtariWrapper
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.common.vec_env import DummyVecEnv, VecFrameStack
from torch import nn

from benchmarks.peers.game import MinAtar, torso
from benchmarks.suites import ADAM_EPSILON, BATCH, DISCOUNT, EPSILON, LR, MEMORY_STEPS, START_FRAMES, TARGET_UPDATES

STREAMS = 16  # environments of A2C


class Torso(BaseFeaturesExtractor):
    """The network but for its last layer."""

    def __init__(self, space: gym.Space):
        super().__init__(space, 128)
        self.net = nn.Sequential(*torso())

    def forward(self, x):
        return self.net(x)


def make(suite: str) -> Callable[[int], object]:
    """What does so many frames of the suite."""
    small = {"features_extractor_class": Torso, "net_arch": []}
    adam = {"optimizer_kwargs": {"eps": ADAM_EPSILON}}
    common = {"learning_rate": LR, "gamma": DISCOUNT, "batch_size": BATCH}
    common |= {"exploration_initial_eps": EPSILON, "exploration_final_eps": EPSILON}
    if suite == "a2c":
        env = DummyVecEnv([MinAtar] * STREAMS)
        rates = {"learning_rate": 7e-4, "gamma": DISCOUNT, "ent_coef": 0.01, "rms_prop_eps": 1e-5}
        return learning(A2C("MlpPolicy", env, n_steps=5, policy_kwargs=small, device="cpu", **rates), 1)
    if suite == "dqn":
        common |= {"train_freq": 1, "learning_starts": START_FRAMES, "buffer_size": MEMORY_STEPS}
        common |= {"target_update_interval": TARGET_UPDATES, "device": "cpu"}
        return learning(DQN("MlpPolicy", MinAtar(), policy_kwargs=small | adam, **common), 1)
    import ale_py

    gym.register_envs(ale_py)
    env = VecFrameStack(DummyVecEnv([lambda: AtariWrapper(gym.make("BreakoutNoFrameskip-v4"))]), 4)
    common |= {"train_freq": 4, "learning_starts": START_FRAMES // 4, "buffer_size": 10_000}
    common |= {"target_update_interval": 4 * TARGET_UPDATES, "device": "cpu"}
    return learning(DQN("CnnPolicy", env, policy_kwargs=adam, **common), 4)


def learning(model, repeat: int) -> Callable[[int], object]:
    """`repeat` frames are one of its steps."""
    return lambda frames: model.learn(frames // repeat, reset_num_timesteps=False)
