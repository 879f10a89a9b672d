"""Adam with decoupled weight decay, as DreamerV2 has it (Hafner et al. 2021, arXiv:2010.02193, Table D.1).

Loshchilov & Hutter (2019, arXiv:1711.05101) take the learning rate times the decay; here, as in the authors' code, the
decay is a share of each parameter by itself.
"""

import torch

from agents.optim.adam import Adam


class AdamW(Adam):
    """w <- (1 - decay) w, then Adam's step, for all parameters alike."""

    @torch.no_grad()
    def step(self) -> None:
        """One step along the parameters' gradients."""
        torch._foreach_mul_(self.parameters, 1 - self.spec.decay)
        super().step()
