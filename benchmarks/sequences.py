"""R2D2's update with torch's LSTM as it comes, for `modules`: sizes and numbers of config/algorithms/r2d2_minatar.yaml.

A batch of 16 sequences: 10 rows of burn-in without gradient through both networks, then 20 learned rows and 5 to
bootstrap from; five-step double Q-learning with rescaled values, squared errors, gradients clipped to 40. States, rows
and priorities' weights are random or one; episodes do not end.
"""

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional as F

from benchmarks.suites import ACTIONS

SEQUENCES, BURN_IN, LEARNED, N, UNITS, DISCOUNT, RESCALE = 16, 10, 20, 5, 64, 0.997, 1e-3
State = tuple[torch.Tensor, torch.Tensor]


class Recurrent(nn.Module):
    """Convolution, LSTM (which also sees the action and the reward before), dueling streams: -> Q [T, B, actions]."""

    def __init__(self):
        super().__init__()
        self.torso = nn.Sequential(nn.Conv2d(4, 16, 3), nn.ReLU(), nn.Flatten())
        self.lstm = nn.LSTM(1024 + ACTIONS + 1, UNITS)
        self.value = nn.Sequential(nn.Linear(UNITS, UNITS), nn.ReLU(), nn.Linear(UNITS, 1))
        self.advantage = nn.Sequential(nn.Linear(UNITS, UNITS), nn.ReLU(), nn.Linear(UNITS, ACTIONS))

    def forward(
        self, obs: torch.Tensor, action: torch.Tensor, reward: torch.Tensor, state: State
    ) -> tuple[torch.Tensor, State]:
        x = self.torso(obs.flatten(0, 1)).unflatten(0, obs.shape[:2])
        x = torch.cat((x, F.one_hot(action, ACTIONS).float(), reward[..., None]), -1)
        x, state = self.lstm(x, state)
        a = self.advantage(x)
        return self.value(x) + a - a.mean(-1, keepdim=True), state


def h(x: torch.Tensor) -> torch.Tensor:
    """sign(x) (sqrt(|x| + 1) - 1) + epsilon x (Pohlen et al. 2018)."""
    return x.sign() * ((x.abs() + 1).sqrt() - 1) + RESCALE * x


def h_inverse(x: torch.Tensor) -> torch.Tensor:
    """Undoes `h`."""
    root = (1 + 4 * RESCALE * (x.abs() + 1 + RESCALE)).sqrt()
    return x.sign() * (((root - 1) / (2 * RESCALE)).square() - 1)


def update() -> Callable[[], None]:
    """One update on a random batch."""
    online, target = Recurrent(), Recurrent()
    optimizer = torch.optim.Adam(online.parameters(), lr=5e-4, eps=1e-3)
    rows = BURN_IN + LEARNED + N
    obs = torch.randint(0, 2, (rows, SEQUENCES, 4, 10, 10)).float()
    action, reward = torch.randint(0, ACTIONS, (rows + 1, SEQUENCES)), torch.rand(rows + 1, SEQUENCES)
    before, weight = (action[:-1], reward[:-1]), torch.ones(SEQUENCES)
    start = (torch.zeros(1, SEQUENCES, UNITS), torch.zeros(1, SEQUENCES, UNITS))
    chosen = action[BURN_IN + 1 : BURN_IN + 1 + LEARNED, :, None]
    gained = reward[BURN_IN + 1 :].unfold(0, N, 1)[:LEARNED] @ DISCOUNT ** torch.arange(N).float()

    def q(net: Recurrent) -> torch.Tensor:
        with torch.no_grad():
            _, state = net(obs[:BURN_IN], *(x[:BURN_IN] for x in before), start)
        return net(obs[BURN_IN:], *(x[BURN_IN:] for x in before), state)[0]

    def one() -> None:
        with torch.no_grad():
            q_target = q(target)
        q_online = q(online)
        with torch.no_grad():
            value = q_target.gather(-1, q_online.argmax(-1, keepdim=True)).squeeze(-1)[N:]
            goal = h(gained + DISCOUNT**N * h_inverse(value))
        errors = goal - q_online[:LEARNED].gather(-1, chosen).squeeze(-1)
        loss = (weight * 0.5 * errors.square().sum(0)).mean()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(online.parameters(), 40.0)
        optimizer.step()
        size = errors.detach().abs()
        _ = 0.9 * size.amax(0) + 0.1 * size.mean(0)  # the priorities

    return one
