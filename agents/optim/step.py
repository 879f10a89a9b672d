"""Gradient steps, and networks that follow others."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

import torch
from torch import nn

from agents.optim.objective import Objective


class Optimizer(Protocol):
    """Moves parameters in place by their gradients, each at a rate of its own.

    `rates` and `epsilons` stand beside `parameters`, one for each; schedules may change them before a step.
    """

    parameters: list[nn.Parameter]
    rates: list[float]  # learning rates
    epsilons: list[float]  # 0 where the rule has none

    def step(self) -> None:
        """One step along the parameters' gradients: each has a `grad` of its shape, which is left as it is."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Averages and counts that steps change, beside the parameters: lists of tensors, not copied, and numbers."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Copy what `state_dict` gave into the averages, which stay where they are."""
        ...


class GradientStep:
    """One optimizer on one set of parameters: gradient, clipping, schedules, step.

    `clip_norm` bounds the global norm (None: no bound); `schedules` act on gradients and optimizer before each step.
    """

    def __init__(self, optimizer: Optimizer, clip_norm: float | None, schedules: Sequence[Callable[[], None]]):
        self.optimizer, self.clip_norm, self.schedules = optimizer, clip_norm, list(schedules)
        self.parameters = optimizer.parameters
        self.steps = 0  # taken so far

    @property
    def moved(self) -> list[nn.Parameter]:
        """What steps move."""
        return self.parameters

    def descend(self, objective: Objective) -> dict[str, torch.Tensor | float]:
        """One step on an objective; -> metrics of the step, scalars."""
        return {"grad_norm": self.down(objective.loss())}

    def down(self, loss: torch.Tensor) -> torch.Tensor:
        """A step down the gradient of a scalar; -> the gradient's Euclidean norm before clipping, scalar.

        No gradient is left in, or worked out for, other networks that the loss passes through.
        """
        for parameter in self.parameters:
            parameter.grad = None
        loss.backward(inputs=self.parameters)
        return self._step()

    def along(self, gradients: Sequence[torch.Tensor]) -> torch.Tensor:
        """The same where the gradients to go down are known already, one for each parameter (else ValueError)."""
        for parameter, gradient in zip(self.parameters, gradients, strict=True):
            parameter.grad = gradient
        return self._step()

    def _step(self) -> torch.Tensor:
        norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm([p.grad for p in self.parameters])))
        if self.clip_norm is not None:
            nn.utils.clip_grads_with_norm_(self.parameters, self.clip_norm, norm)
        for schedule in self.schedules:
            schedule()
        self.optimizer.step()
        self.steps += 1
        return norm

    def state_dict(self) -> dict[str, Any]:
        return {"optimizer": self.optimizer.state_dict(), "steps": self.steps}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.optimizer.load_state_dict(state["optimizer"])
        self.steps = state["steps"]


class Follower(NamedTuple):
    """A network that follows another of its shape: into <- tau source + (1 - tau) into, every so many updates.

    tau 1 copies (Mnih et al. 2015), less is a running average (Polyak; Lillicrap et al. 2016, arXiv:1509.02971).
    Buffers are copied.
    """

    source: nn.Module
    into: nn.Module
    every: int  # updates
    tau: float

    def after(self, updates: int) -> None:
        """To be called after each update with their number."""
        if updates % self.every == 0:
            self._move()

    @torch.no_grad()
    def _move(self) -> None:
        ours, theirs = [*self.into.parameters()], [*self.source.parameters()]
        if self.tau == 1:  # far quicker than a state_dict
            torch._foreach_copy_([*ours, *self.into.buffers()], [*theirs, *self.source.buffers()])
        else:
            torch._foreach_lerp_(ours, theirs, self.tau)
            if buffers := [*self.into.buffers()]:
                torch._foreach_copy_(buffers, [*self.source.buffers()])
