"""The suites' updates with plain torch modules and torch's optimizers as they come, and nothing else around them.

There is no environment, no memory, no acting and no recording: updates on one random batch, counted in the frames
they stand for. The target network is never copied. Spectral norms are torch.nn.utils.parametrizations.spectral_norm's,
with as many power iterations as ours. Noisy layers form their weights before they multiply, as public codes do.
"""

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from benchmarks.suites import ACTIONS, ADAM_EPSILON, BATCH, DISCOUNT, LR, SUITES

ATOMS, LOW, HIGH = 51, -100.0, 100.0
DISTRIBUTIONAL, DUELING, NOISY = ("c51", "rainbow"), ("dueling", "rainbow"), ("noisy", "rainbow")
DOUBLE, NORMED = ("double", "rainbow"), ("sn", "sn_fourth")
POWER_STEPS = {"online": 5, "target": 1}  # for each update, as in config/algorithms/dqn_minatar_sn.yaml


class Noisy(nn.Module):
    """A fully connected layer with factorised noise (Fortunato et al. 2018)."""

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
    """Observations [B, 4, 10, 10] or [B, 4, 84, 84] -> [B, actions, K]."""

    def __init__(self, suite: str, which: str):
        super().__init__()
        self.dueling, self.k = suite in DUELING, ATOMS if suite in DISTRIBUTIONAL else 1
        linear = Noisy if suite in NOISY else nn.Linear
        if suite == "atari":
            layers = [nn.Conv2d(4, 32, 8, 4), nn.ReLU(), nn.Conv2d(32, 64, 4, 2), nn.ReLU(), nn.Conv2d(64, 64, 3)]
            features, width = 3136, 512
        else:
            layers, features, width = [nn.Conv2d(4, 16, 3)], 1024, 128
        self.torso = nn.Sequential(*layers, nn.ReLU(), nn.Flatten())

        def stream(outputs: int) -> nn.Sequential:
            hidden = linear(features, width)
            if suite in NORMED:
                hidden = spectral_norm(hidden, n_power_iterations=POWER_STEPS[which])
            return nn.Sequential(hidden, nn.ReLU(), linear(width, outputs * self.k))

        self.advantage = stream(ACTIONS)
        self.value = stream(1) if self.dueling else None

    def resample(self) -> None:
        for module in self.modules():
            if isinstance(module, Noisy):
                module.resample()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.resample()
        x = self.torso(x)
        y = self.advantage(x).view(-1, ACTIONS, self.k)
        return self.value(x).unsqueeze(1) + y - y.mean(1, keepdim=True) if self.value else y


def scalar_loss(online: Net, target: Net, batch: tuple, double: bool) -> torch.Tensor:
    """Huber loss of Q-learning (Mnih et al. 2015)."""
    s, a, r, s2, each = batch
    with torch.no_grad():
        following = target(s2)[..., 0]
        best = (online(s2)[..., 0] if double else following).argmax(1)
        goal = r + DISCOUNT * following[each, best]
    return F.smooth_l1_loss(online(s)[each, a, 0], goal)


def categorical_loss(online: Net, target: Net, batch: tuple, double: bool) -> torch.Tensor:
    """Cross-entropy to the projected distribution (Bellemare et al. 2017, algorithm 1)."""
    s, a, r, s2, each = batch
    z, dz = torch.linspace(LOW, HIGH, ATOMS), (HIGH - LOW) / (ATOMS - 1)
    with torch.no_grad():
        following = target(s2).softmax(-1)
        best = ((online(s2).softmax(-1) if double else following) @ z).argmax(1)
        p = following[each, best]
        b = ((r[:, None] + DISCOUNT * z).clamp(LOW, HIGH) - LOW) / dz
        low = b.floor().long().clamp(0, ATOMS - 1)
        high = (low + 1).clamp(max=ATOMS - 1)
        goal = torch.zeros_like(p)
        goal.scatter_add_(1, low, p * (1 - (b - low)))
        goal.scatter_add_(1, high, p * (b - low))
    return -(goal * F.log_softmax(online(s)[each, a], -1)).sum(-1).mean()


def repeated(update: Callable[[], object], every: int) -> Callable[[int], object]:
    """An update for every `every` frames."""

    def advance(frames: int) -> None:
        for _ in range(frames // every):
            update()

    return advance


def make(suite: str) -> Callable[[int], object]:
    """What does the updates of so many frames."""
    if suite == "r2d2":
        from benchmarks.sequences import update as sequences

        return repeated(sequences(), SUITES[suite].every)
    online, target = Net(suite, "online"), Net(suite, "target")
    parameters = online.parameters()
    if suite == "rmsprop":
        optimizer = torch.optim.RMSprop(parameters, lr=LR, alpha=0.95, eps=0.01, centered=True)
    else:
        optimizer = torch.optim.Adam(parameters, lr=LR, eps=ADAM_EPSILON)
    shape = (4, 84, 84) if suite == "atari" else (4, 10, 10)
    s, s2 = (torch.randint(0, 2, (BATCH, *shape)).float() for _ in range(2))
    batch = (s, torch.randint(0, ACTIONS, (BATCH,)), torch.rand(BATCH), s2, torch.arange(BATCH))
    loss_of = categorical_loss if suite in DISTRIBUTIONAL else scalar_loss

    def update() -> None:
        loss = loss_of(online, target, batch, suite in DOUBLE)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return repeated(update, SUITES[suite].every)
