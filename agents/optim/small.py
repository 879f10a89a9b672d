"""Gradient steps on parameters so few that calls cost more than arithmetic: the same steps in compiled calls."""

from collections.abc import Sequence

import numpy as np
import torch

from agents.compiled import optimizers
from agents.optim.adam import Adam
from agents.optim.rmsprop import RMSprop
from agents.optim.step import GradientStep


class SmallStep:
    """`step.along(gradients)`, with gradients that always lie in the same tensors, on the CPU.

    Parameters, averages and counts are the optimizer's own; schedules act before the step as ever. Equal to the plain
    step within rounding.
    """

    def __init__(self, step: GradientStep, gradients: Sequence[torch.Tensor]):
        self.step, self.gradients = step, list(gradients)
        for parameter, gradient in zip(step.parameters, gradients, strict=True):
            parameter.grad = gradient
        self._g = flat(gradients)
        self._kernel = {Adam: self._adam, RMSprop: self._rmsprop}.get(type(step.optimizer))
        self._where: list[int] = []
        self._arrays: tuple[tuple[np.ndarray, ...], ...] = ()

    def __call__(self) -> float:
        """One step; -> the gradients' Euclidean norm before clipping."""
        step = self.step
        if self._kernel is None:
            return float(step.along(self.gradients))
        size = optimizers.norm(self._g)
        if step.clip_norm is not None:
            optimizers.clip(self._g, size, step.clip_norm)
        for schedule in step.schedules:
            schedule()
        self._kernel(*self._state(), *(np.array(each, np.float32) for each in self._numbers()))
        step.steps += 1
        return size

    def _numbers(self) -> tuple[list[float], list[float]]:
        return self.step.optimizer.rates, self.step.optimizer.epsilons

    def _state(self) -> tuple[tuple[np.ndarray, ...], ...]:
        """Parameters and averages as arrays on their memory, wherever that lies now."""
        optimizer = self.step.optimizer
        lists = (optimizer.parameters, optimizer.mean, optimizer.square)
        where = [tensor.data_ptr() for tensors in lists for tensor in tensors]
        if where != self._where:
            self._where, self._arrays = where, tuple(flat(tensors) for tensors in lists)
        return self._arrays

    def _adam(self, w: tuple, m: tuple, v: tuple, rates: np.ndarray, epsilons: np.ndarray) -> None:
        optimizer = self.step.optimizer
        spec, steps = optimizer.spec, flat(optimizer.steps)
        optimizers.adam(w, self._g, m, v, steps, rates, epsilons, spec.beta1, spec.beta2)

    def _rmsprop(self, w: tuple, m: tuple, v: tuple, rates: np.ndarray, epsilons: np.ndarray) -> None:
        optimizer = self.step.optimizer
        spec, bias = optimizer.spec, optimizer.count()
        outside = spec.form == "torch"
        optimizers.rmsprop(w, self._g, m, v, rates, epsilons, spec.decay, bias, spec.centered, outside)


def flat(tensors: Sequence[torch.Tensor]) -> tuple[np.ndarray, ...]:
    """Arrays [elements] on the memory of tensors, which lie without gaps."""
    return tuple(tensor.detach().view(-1).numpy() for tensor in tensors)
