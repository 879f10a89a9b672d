"""From losses to parameter updates: optimizer, gradient clipping, target copies, update count."""

import math
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import torch
from torch import nn

from agents.step import ActorInput, ActorOutput, Batch, Loss, SequenceSpec


class Agent(Protocol):
    """`online` acts and is learned, `noise` feeds its noisy layers; `sequence_spec` says what batches `loss` wants.

    An agent that bootstraps on another network has it as `target`, one that goes on from the recurrent states of the
    update before has them as `carried`. These make up all that an agent remembers.
    """

    online: nn.Module
    noise: torch.Generator
    sequence_spec: SequenceSpec

    def act(self, inputs: ActorInput, epsilon: float | np.ndarray, rng: np.random.Generator) -> ActorOutput: ...
    def loss(self, batch: Batch) -> Loss: ...


class Optimizer(Protocol):
    parameters: list[nn.Parameter]

    def step(self) -> None: ...
    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state: dict[str, Any]) -> None: ...


class Gradient(Protocol):
    def __call__(self, loss: Loss) -> None: ...
    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state: dict[str, Any]) -> None: ...


class Gauge(Protocol):
    def advance(self, steps: int) -> None: ...
    def rho(self) -> dict[str, float]: ...
    def state_dict(self) -> dict[Any, Any]: ...
    def load_state_dict(self, state: dict[Any, Any]) -> None: ...


def copy_network(source: nn.Module, into: nn.Module) -> None:
    """All parameters and buffers, in place, of two networks of one shape; far quicker than a state_dict."""
    with torch.no_grad():
        torch._foreach_copy_([*into.parameters(), *into.buffers()], [*source.parameters(), *source.buffers()])


class Learner:
    """`gradient` turns a loss into the parameters' gradients, `schedules` act on them and on the optimizer before each
    step, `gauges` advance by their steps at every update, `tracked` ones by `warmup_steps` when they are read.
    `listeners` are called after every update.
    """

    def __init__(
        self,
        agent: Agent,
        gradient: Gradient,
        optimizer: Optimizer,
        target_every: int | None,
        clip_norm: float | None,
        schedules: list[Callable[[], None]],
        gauges: list[tuple[Gauge, int]],
        tracked: list[Gauge],
        warmup_steps: int,
        listeners: list[Callable[[], None]],
    ):
        self.agent, self.gradient, self.optimizer = agent, gradient, optimizer
        self.target_every, self.clip_norm = target_every, clip_norm  # updates (None: no target network), norm
        self.schedules, self.listeners = schedules, listeners
        self.gauges, self.tracked, self.warmup_steps = gauges, tracked, warmup_steps
        self.updates = 0
        self.clock = lambda: self.updates  # updates of the parameters, whoever made them: what `version` counts
        self.parameters = optimizer.parameters
        self._sums: dict[str, torch.Tensor] = {}  # of the metrics since the last reading
        self._counts: dict[str, int] = {}  # updates that gave each of them

    def learn(self, batch: Batch) -> torch.Tensor:
        """One update; -> priorities [B]."""
        for gauge, steps in self.gauges:
            gauge.advance(steps)
        loss = self.agent.loss(batch)
        self.gradient(loss)
        if "version" in batch.extras:  # updates between the parameters that acted and those that now learn
            loss.metrics["policy_lag"] = self.clock() - batch.extras["version"][:-1].double().mean()
        norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm([p.grad for p in self.parameters])))
        if self.clip_norm is not None:
            nn.utils.clip_grads_with_norm_(self.parameters, self.clip_norm, norm)
        for schedule in self.schedules:
            schedule()
        self.optimizer.step()
        self.updates += 1
        if self.target_every and self.updates % self.target_every == 0:
            copy_network(self.agent.online, self.agent.target)
        for listener in self.listeners:
            listener()
        metrics = {**loss.metrics, "grad_norm": norm}
        self.note(metrics, dict.fromkeys(metrics, 1))
        return loss.priorities

    def note(self, sums: dict[str, Any], counts: dict[str, int]) -> None:
        """Add to what the next reading is made of: sums of metrics, and the number of updates that gave each."""
        for name, total in sums.items():
            self._sums[name] = self._sums[name] + total if name in self._sums else total
            self._counts[name] = self._counts.get(name, 0) + counts[name]

    def totals(self) -> tuple[dict[str, float], dict[str, int]]:
        """All that was noted since the last call."""
        sums, counts = {name: float(total) for name, total in self._sums.items()}, self._counts
        self._sums, self._counts = {}, {}
        return sums, counts

    def read(self) -> dict[str, float]:
        """Means of the metrics since the last reading (gradient norms before clipping), every rho and sigma."""
        sums, counts = self.totals()
        means = {name: total / counts[name] for name, total in sums.items()}
        for gauge in self.tracked:
            gauge.advance(self.warmup_steps)
            means.update(gauge.rho())
        return means | self.agent.online.sigma()

    def sound(self) -> bool:
        """Whether all that was noted since the last reading is finite."""
        return all(math.isfinite(total) for total in self._sums.values())

    @torch.no_grad()
    def finite(self, obs: torch.Tensor) -> bool:
        """Whether all that the networks hold is finite, and what the acting one makes of obs [B, S * C, H, W]."""
        held = [tensor for network in self._networks().values() for tensor in network.state_dict().values()]
        if not all(tensor.isfinite().all() for tensor in held):
            return False
        online, size = self.agent.online, len(obs)
        nothing = torch.zeros(1, size, device=obs.device)  # the previous action and reward
        state = online.initial(size).to(obs.device)
        online.eval()
        out, _ = online.unroll(obs[None], nothing.long(), nothing, state)
        online.train()
        return all(bool(part.isfinite().all()) for part in (out if isinstance(out, tuple) else (out,)))

    def _networks(self) -> dict[str, nn.Module]:
        return {name: getattr(self.agent, name) for name in ("online", "target") if hasattr(self.agent, name)}

    def state_dict(self) -> dict[str, Any]:
        return {
            "gradient": self.gradient.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "tracked": [gauge.state_dict() for gauge in self.tracked],
            "agent": {name: network.state_dict() for name, network in self._networks().items()},
            "noise": self.agent.noise.get_state(),
            "carried": dict(getattr(self.agent, "carried", {})),
            "updates": self.updates,
            "sums": dict(self._sums),
            "counts": dict(self._counts),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.gradient.load_state_dict(state["gradient"])
        self.optimizer.load_state_dict(state["optimizer"])
        for name, network in self._networks().items():
            network.load_state_dict(state["agent"][name])
        self.agent.noise.set_state(state["noise"])
        if state["carried"]:
            self.agent.carried = state["carried"]
        for gauge, saved in zip(self.tracked, state["tracked"], strict=True):
            gauge.load_state_dict(saved)
        self.updates, self._sums, self._counts = state["updates"], state["sums"], state["counts"]
