"""Gradient steps on parameters so few that calls cost more than arithmetic: the same steps in compiled calls."""

from collections.abc import Sequence

import numpy as np
import torch

from agents.compiled import optimizers
from agents.nets.small import Views
from agents.optim.adam import Adam
from agents.optim.rmsprop import RMSprop
from agents.optim.step import GradientStep


class SmallStep:
    """`step.along(gradients)`, with gradients that are always the same tensors, on the CPU.

    Parameters, averages and counts are the optimizer's own; schedules act before the step as ever. Equal to the plain
    step within rounding.
    """

    def __init__(self, step: GradientStep, gradients: Sequence[torch.Tensor]):
        self.step, self.gradients = step, list(gradients)
        for parameter, gradient in zip(step.parameters, gradients, strict=True):
            parameter.grad = gradient
        self._kernel = {Adam: self._adam, RMSprop: self._rmsprop}.get(type(step.optimizer))
        if self._kernel is not None:
            optimizers.prepare(len(self.gradients))
            optimizer = step.optimizer
            lists = (optimizer.parameters, gradients, optimizer.mean, optimizer.square)
            self._views = [Views(tensors, flat) for tensors in lists]

    def __call__(self) -> float:
        """One step; -> the gradients' Euclidean norm before clipping."""
        step = self.step
        if self._kernel is None:
            return float(step.along(self.gradients))
        arrays = [views() for views in self._views]
        size = optimizers.norm(arrays[1])
        if step.clip_norm is not None:
            optimizers.clip(arrays[1], size, step.clip_norm)
        for schedule in step.schedules:
            schedule()
        self._kernel(*arrays, *(np.array(each, np.float32) for each in self._numbers()))
        step.steps += 1
        return size

    def _numbers(self) -> tuple[list[float], list[float]]:
        return self.step.optimizer.rates, self.step.optimizer.epsilons

    def _adam(self, w: tuple, g: tuple, m: tuple, v: tuple, rates: np.ndarray, epsilons: np.ndarray) -> None:
        optimizer = self.step.optimizer
        spec, steps = optimizer.spec, tuple(map(flat, optimizer.steps))
        optimizers.adam(w, g, m, v, steps, rates, epsilons, spec.beta1, spec.beta2)

    def _rmsprop(self, w: tuple, g: tuple, m: tuple, v: tuple, rates: np.ndarray, epsilons: np.ndarray) -> None:
        optimizer = self.step.optimizer
        spec, bias = optimizer.spec, optimizer.count()
        outside = spec.form == "torch"
        optimizers.rmsprop(w, g, m, v, rates, epsilons, spec.decay, bias, spec.centered, outside)


def flat(tensor: torch.Tensor) -> np.ndarray:
    """An array [elements] on the memory of a tensor, which lies without gaps."""
    return tensor.detach().view(-1).numpy()
