"""Gradient steps on parameters so few that calls cost more than arithmetic: the same steps in compiled calls."""

from collections.abc import Sequence
from itertools import chain

import numpy as np
import torch

from agents.compiled import optimizers
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
            optimizers.prepare()
            optimizer = step.optimizer
            counts = [optimizer.steps] if isinstance(optimizer, Adam) else []
            self._lists = (step.parameters, self.gradients, optimizer.mean, optimizer.square, *counts)
            for tensor in chain(*self._lists):
                assert tensor.is_contiguous() and tensor.dtype == torch.float32
            self._moving = step.parameters[0], self.gradients[0]
            self._known = (0, 0)
            self._sizes = np.array([parameter.numel() for parameter in step.parameters])

    def __call__(self) -> float:
        """One step; -> the gradients' Euclidean norm before clipping."""
        step = self.step
        if self._kernel is None:
            return float(step.along(self.gradients))
        places = self._places()
        size = optimizers.norm(places, self._sizes)
        if step.clip_norm is not None:
            optimizers.clip(places, self._sizes, size, step.clip_norm)
        for schedule in step.schedules:
            schedule()
        rates, epsilons = step.optimizer.rates, step.optimizer.epsilons
        self._kernel(places, self._sizes, np.array(rates, np.float32), np.array(epsilons, np.float32))
        step.steps += 1
        return size

    def _places(self) -> np.ndarray:
        """Where all lies now: share_memory moves parameters and gradients, all of them."""
        now = self._moving[0].data_ptr(), self._moving[1].data_ptr()
        if now != self._known:
            self._known = now
            self._table = np.array([[tensor.data_ptr() for tensor in each] for each in zip(*self._lists, strict=True)])
        return self._table

    def _adam(self, *arrays: np.ndarray) -> None:
        spec = self.step.optimizer.spec
        optimizers.adam(*arrays, spec.beta1, spec.beta2)

    def _rmsprop(self, *arrays: np.ndarray) -> None:
        optimizer = self.step.optimizer
        spec, bias = optimizer.spec, optimizer.count()
        optimizers.rmsprop(*arrays, spec.decay, bias, spec.centered, spec.form == "torch")
