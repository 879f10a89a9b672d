"""Training speed against other programs: frames per CPU-second at one thread, as ratios of one alternating run.

`python -m benchmarks` starts every contestant in a process of its own and lets them take turns, one at a time, in
`--rounds` short windows. It prints the median speed and the median ratio to the same round's baseline: a machine's
speed drifts, ratios of neighbouring windows drift less. What is compared
(same network, batch, replay and update period; an update every step on MinAtar, every four steps on Atari):
  ours      this repository, with its recording of losses and norms
  modules   the same update with plain torch modules and torch.optim.Adam as they come, and nothing else around it
  sb3       stable-baselines3's DQN (`pip install stable-baselines3 opencv-python-headless`); left out where it is
            not installed, and for Rainbow, which it does not have
The suites: DQN on MinAtar and on Atari, and Rainbow on MinAtar (`rainbow`).
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import Any

WARM_FRAMES = 1_500  # before the clock starts; learning begins at 1,000
WINDOW = {"minatar": 500, "atari": 800, "rainbow": 250}  # frames of one turn of a contestant
ALGORITHMS = {"minatar": "dqn_minatar_sn", "atari": "dqn_adam_sn", "rainbow": "rainbow_minatar"}


def spec(suite: str, every: int):
    """Our run: epsilon 0.1 throughout (Rainbow's noise explores by itself), no evaluation, Adam."""
    from agents.spec import Spec
    from workflow.config import Project

    root = Path(__file__).resolve().parents[1]
    tree = Project(root).algorithm(ALGORITHMS[suite]).spec
    tree["environment"]["game"] = "breakout"
    if suite != "rainbow":
        tree["exploration"] |= {"start": 0.1, "end": 0.1, "warmup_frames": 0, "end_frames": 0}
    tree["learning"]["clock"] |= {"start_frames": 1_000, "every_frames": every}
    tree["learning"]["target_every_frames"] = 1_000 * every
    tree["memory"]["capacity_steps"] = 10_000
    return Spec.model_validate(tree | {"version": 1, "seed": 0, "budget_frames": 1, "device": "cpu", "threads": 1})


Advance = Callable[[int], object]  # do so many frames


def ours(suite: str) -> Advance:
    from agents.arithmetic import settle
    from agents.run.checkpoint import Checkpoints
    from agents.run.loop import Run

    settle(1)
    every = 16 if suite == "atari" else 1
    run = Run(spec(suite, every), Checkpoints(Path(tempfile.mkdtemp()), {}, print))

    def advance(frames: int) -> None:
        end = run.frame + frames
        while run.frame < end:
            run.iterate()

    return advance


def repeated(update: Callable[[], None], every: int) -> Advance:
    """An update for every `every` frames."""

    def advance(frames: int) -> None:
        for _ in range(frames // every):
            update()

    return advance


def modules(suite: str) -> Advance:
    """Updates on random data only: no environment, no replay, no acting; counted in the frames they stand for."""
    import torch
    from torch import nn

    if suite == "rainbow":
        return _rainbow_modules()
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

    def update() -> None:
        with torch.no_grad():
            goal = r + 0.99 * target(s2).max(1).values
        loss = nn.functional.smooth_l1_loss(online(s).gather(1, a).squeeze(1), goal)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return repeated(update, every)


def _rainbow_net() -> Any:
    """Dueling C51 with noisy layers, which form their weights before they multiply, as public codes do."""
    import torch
    from torch import nn
    from torch.nn import functional as F

    class Noisy(nn.Module):
        def __init__(self, inputs: int, outputs: int):
            super().__init__()
            bound = inputs**-0.5
            self.mu = nn.Parameter(torch.empty(outputs, inputs).uniform_(-bound, bound))
            self.sigma = nn.Parameter(torch.full((outputs, inputs), 0.5 * bound))
            self.bias = nn.Parameter(torch.empty(outputs).uniform_(-bound, bound))
            self.bias_sigma = nn.Parameter(torch.full((outputs,), 0.5 * bound))
            self.resample()

        def resample(self) -> None:
            a, b = (torch.randn(n) for n in reversed(self.mu.shape))
            a, b = (x.sign() * x.abs().sqrt() for x in (a, b))
            self.eps, self.bias_eps = torch.outer(b, a), b

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return F.linear(x, self.mu + self.sigma * self.eps, self.bias + self.bias_sigma * self.bias_eps)

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.torso = nn.Sequential(nn.Conv2d(4, 16, 3), nn.ReLU(), nn.Flatten())
            self.value = nn.Sequential(Noisy(1024, 128), nn.ReLU(), Noisy(128, 51))
            self.advantage = nn.Sequential(Noisy(1024, 128), nn.ReLU(), Noisy(128, 6 * 51))

        def resample(self) -> None:
            for module in self.modules():
                if isinstance(module, Noisy):
                    module.resample()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.torso(x)
            advantage = self.advantage(x).view(-1, 6, 51)
            return self.value(x).unsqueeze(1) + advantage - advantage.mean(1, keepdim=True)

    return Net()


def _rainbow_modules() -> Advance:
    """As `modules`, for Rainbow."""
    import torch
    from torch.nn import functional as F

    online, target = _rainbow_net(), _rainbow_net()
    optimizer = torch.optim.Adam(online.parameters(), lr=2.5e-4)
    s, s2 = (torch.randint(0, 2, (32, 4, 10, 10)).float() for _ in range(2))
    a, r, each = torch.randint(0, 6, (32,)), torch.rand(32), torch.arange(32)
    z, dz = torch.linspace(-100, 100, 51), 4.0

    def update() -> None:
        with torch.no_grad():
            online.resample(), target.resample()
            best = (online(s2).softmax(-1) @ z).argmax(1)
            p = target(s2)[each, best].softmax(-1)
            b = ((r[:, None] + 0.97 * z).clamp(-100, 100) + 100) / dz
            low = b.floor().long().clamp(0, 50)
            high = (low + 1).clamp(max=50)
            goal = torch.zeros_like(p)
            goal.scatter_add_(1, low, p * (1 - (b - low)))
            goal.scatter_add_(1, high, p * (b - low))
        online.resample()
        loss = -(goal * F.log_softmax(online(s)[each, a], -1)).sum(-1).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return repeated(update, 1)


def sb3(suite: str) -> Advance:
    import ale_py
    import gymnasium as gym
    import numpy as np
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
    return lambda frames: model.learn(frames // repeat, reset_num_timesteps=False)


READY = "benchmark:"  # begins the lines a contestant's process means for us
CONTESTANTS = {"ours": ours, "modules": modules, "sb3": sb3}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--suites", nargs="+", choices=WINDOW, default=list(WINDOW))
    parser.add_argument("--one", nargs=2, metavar=("CONTESTANT", "SUITE"), help="one contestant, for the above")
    options = parser.parse_args()
    if options.one:
        serve(*options.one)
        return
    installed = [name for name in CONTESTANTS if name != "sb3" or find_spec("stable_baselines3")]
    for suite in options.suites:
        names = [name for name in installed if not (name == "sb3" and suite == "rainbow")]
        with ExitStack() as stack:
            children = {name: stack.enter_context(child(name, suite)) for name in names}
            rounds = [{name: window(each) for name, each in children.items()} for _ in range(options.rounds)]
        print(f"\n{suite}: frames per CPU-second, median of {options.rounds}; ratio: ours / theirs in the same round")
        for name in names:
            ratios = sorted(each["ours"] / each[name] for each in rounds)
            speed, middle = statistics.median(each[name] for each in rounds), statistics.median(ratios)
            print(f"  {name:8} {speed:8.0f}   {middle:5.2f}   ({ratios[0]:.2f} to {ratios[-1]:.2f})", flush=True)


def serve(name: str, suite: str) -> None:
    """Prepare, warm up, then do one window for every line of input and answer with its frames per CPU-second."""
    import torch

    torch.set_num_threads(1)
    advance = CONTESTANTS[name](suite)
    advance(WARM_FRAMES)
    print(READY, flush=True)
    for _ in sys.stdin:
        began = time.process_time()
        advance(WINDOW[suite])
        print(f"{READY} {WINDOW[suite] / (time.process_time() - began)}", flush=True)


def child(name: str, suite: str) -> subprocess.Popen:
    """A contestant in its own process, warmed up; it ends when its input does."""
    command = [sys.executable, "-m", "benchmarks", "--one", name, suite]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    answer(process)
    return process


def window(process: subprocess.Popen) -> float:
    """Let a contestant do one window; -> its frames per CPU-second."""
    process.stdin.write("\n")
    process.stdin.flush()
    return float(answer(process).split()[1])


def answer(process: subprocess.Popen) -> str:
    """The next line meant for us; other programs print lines of their own. RuntimeError when the process has died."""
    for line in process.stdout:
        if line.startswith(READY):
            return line
    raise RuntimeError(f"a contestant has ended: {process.args}")


if __name__ == "__main__":
    main()
