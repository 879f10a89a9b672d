"""Training speed against other programs: frames per CPU-second at one thread, as ratios of one alternating run.

`python -m benchmarks` measures every contestant in a process of its own, in turn, `--rounds` times, and prints the
median and the ratio to the baseline of the same round: a machine's speed drifts, ratios drift less. What is compared
(same network, batch, replay and update period; an update every step on MinAtar, every four steps on Atari):
  ours      this repository, with its recording of losses and norms
  modules   the same update with plain torch modules and torch.optim.Adam as they come, and nothing else around it
  sb3       stable-baselines3's DQN (`pip install stable-baselines3`); left out where it is not installed
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

WARM_FRAMES = 1_500  # before the clock starts
FRAMES = {"minatar": 4_000, "atari": 6_000}


def spec(suite: str, every: int):
    """Our run: epsilon 0.1 throughout, no evaluation, Adam."""
    from agents.spec import Spec
    from workflow.config import Project

    root = Path(__file__).resolve().parents[1]
    tree = Project(root).algorithm("dqn_minatar_sn" if suite == "minatar" else "dqn_adam_sn").spec
    tree["environment"]["game"] = "breakout"
    tree["exploration"] |= {"start": 0.1, "end": 0.1, "warmup_frames": 0, "end_frames": 0}
    tree["learning"] |= {"start_frames": 1_000, "every_frames": every, "target_every_frames": 1_000 * every}
    tree["memory"]["capacity_steps"] = 10_000
    return Spec.model_validate(tree | {"version": 1, "seed": 0, "budget_frames": 1, "device": "cpu", "threads": 1})


def clock(frames_now: Callable[[], int], advance: Callable[[], object], frames: int) -> float:
    """Frames per second of process CPU time, after a warm-up."""
    while frames_now() < WARM_FRAMES:
        advance()
    start, began = frames_now(), time.process_time()
    while frames_now() < start + frames:
        advance()
    return (frames_now() - start) / (time.process_time() - began)


def ours(suite: str) -> float:
    from agents.checkpoint import Checkpoints
    from agents.loop import Run

    every = 1 if suite == "minatar" else 16
    run = Run(spec(suite, every), Checkpoints(Path(tempfile.mkdtemp()), {}, print))
    return clock(lambda: run.frame, run.turn, FRAMES[suite])


def modules(suite: str) -> float:
    """Updates on random data only: no environment, no replay, no acting; counted in the frames they stand for."""
    import torch
    from torch import nn

    if suite == "minatar":
        shape, every = (4, 10, 10), 1
        layers = [nn.Conv2d(4, 16, 3), nn.ReLU(), nn.Flatten(), nn.Linear(1024, 128)]
    else:
        shape, every = (4, 84, 84), 16
        layers = [nn.Conv2d(4, 32, 8, 4), nn.ReLU(), nn.Conv2d(32, 64, 4, 2), nn.ReLU(), nn.Conv2d(64, 64, 3)]
        layers += [nn.ReLU(), nn.Flatten(), nn.Linear(3136, 512)]
    width = layers[-1].out_features
    online, target = (nn.Sequential(*layers, nn.ReLU(), nn.Linear(width, 6)) for _ in range(2))
    optimizer = torch.optim.Adam(online.parameters(), lr=2.5e-4)
    s, s2 = (torch.randint(0, 2, (32, *shape)).float() for _ in range(2))
    a, r = torch.randint(0, 6, (32, 1)), torch.rand(32)
    count = 0

    def update() -> None:
        nonlocal count
        with torch.no_grad():
            goal = r + 0.99 * target(s2).max(1).values
        loss = nn.functional.smooth_l1_loss(online(s).gather(1, a).squeeze(1), goal)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        count += every

    return clock(lambda: count, update, FRAMES[suite])


def sb3(suite: str) -> float:
    import ale_py
    import gymnasium as gym
    import numpy as np
    import torch
    from stable_baselines3 import DQN
    from stable_baselines3.common.atari_wrappers import AtariWrapper
    from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
    from stable_baselines3.common.vec_env import DummyVecEnv, VecFrameStack
    from torch import nn

    class MinAtar(gym.Env):
        observation_space = gym.spaces.Box(0, 1, (4, 10, 10), np.float32)
        action_space = gym.spaces.Discrete(6)

        def __init__(self):
            from minatar import Environment

            self.game = Environment("breakout")

        def _see(self):
            return self.game.state().transpose(2, 0, 1).astype(np.float32)

        def reset(self, *, seed=None, options=None):
            self.game.reset()
            return self._see(), {}

        def step(self, action):
            reward, terminal = self.game.act(action)
            return self._see(), reward, terminal, False, {}

    class Torso(BaseFeaturesExtractor):
        def __init__(self, space):
            super().__init__(space, 128)
            self.net = nn.Sequential(nn.Conv2d(4, 16, 3), nn.ReLU(), nn.Flatten(), nn.Linear(1024, 128), nn.ReLU())

        def forward(self, x):
            return self.net(x)

    common = {"batch_size": 32, "learning_starts": 250, "exploration_initial_eps": 0.1, "exploration_final_eps": 0.1}
    if suite == "minatar":
        kwargs = {"features_extractor_class": Torso, "net_arch": []}
        model = DQN("MlpPolicy", MinAtar(), buffer_size=10_000, train_freq=1, policy_kwargs=kwargs, **common)
        repeat = 1
    else:
        gym.register_envs(ale_py)
        env = VecFrameStack(DummyVecEnv([lambda: AtariWrapper(gym.make("BreakoutNoFrameskip-v4"))]), 4)
        model = DQN("CnnPolicy", env, buffer_size=10_000, train_freq=4, **common)
        repeat = 4
    torch.set_num_threads(1)
    model.learn(WARM_FRAMES // repeat)
    began, steps = time.process_time(), FRAMES[suite] // repeat
    model.learn(steps, reset_num_timesteps=False)
    return steps * repeat / (time.process_time() - began)


CONTESTANTS = {"ours": ours, "modules": modules, "sb3": sb3}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--suites", nargs="+", choices=FRAMES, default=list(FRAMES))
    parser.add_argument("--one", nargs=2, metavar=("CONTESTANT", "SUITE"), help="measure one, here")
    options = parser.parse_args()
    if options.one:
        import torch

        torch.set_num_threads(1)
        print(CONTESTANTS[options.one[0]](options.one[1]))
        return
    names = [name for name in CONTESTANTS if name != "sb3" or find_spec("stable_baselines3")]
    for suite in options.suites:
        speeds: dict[str, list[float]] = {name: [] for name in names}
        for _ in range(options.rounds):
            for name in names:
                command = [sys.executable, "-m", "benchmarks", "--one", name, suite]
                speeds[name].append(float(subprocess.check_output(command, text=True).split()[-1]))
        print(f"\n{suite}: frames per CPU-second, median of {options.rounds}; ratio: ours / theirs in the same round")
        for name in names:
            ratio = statistics.median(a / b for a, b in zip(speeds["ours"], speeds[name], strict=True))
            print(f"  {name:8} {statistics.median(speeds[name]):8.0f}   {ratio:5.2f}")


if __name__ == "__main__":
    main()
