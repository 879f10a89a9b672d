"""How a loss becomes gradients: the plain way. The other one is agents/optim/traces.py."""

from typing import Any

from torch import nn

from agents.step import Loss


class Backward:
    """The gradient of the sum of an agent's terms."""

    def __init__(self, parameters: list[nn.Parameter]):
        self.parameters = parameters

    def __call__(self, loss: Loss) -> None:
        """Put the gradients to follow downhill into the parameters."""
        for i, parameter in enumerate(self.parameters):
            parameter.grad = loss.gradients[i] if loss.gradients else None
        if not loss.gradients:
            sum(loss.terms.values()).backward()

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        pass
