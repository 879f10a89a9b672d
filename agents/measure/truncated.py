"""An agent that forgets: its policy made of the newest observations alone (Kapturowski et al. 2019, Figure 5)."""

from typing import Any

import numpy as np
import torch

from agents.acting.sampling import epsilon_greedy
from agents.r2d2 import R2D2
from agents.step import ActorInput, ActorOutput


class Truncated:
    """Acts as `agent` would from a zero state `observations` rows ago; None: with its whole memory.

    With 0 only the present observation is left. `measured` says how far that changes what the whole memory says.
    """

    def __init__(self, agent: R2D2, observations: int | None):
        self.agent, self.observations, self.online = agent, observations, agent.online
        self.networks, self.acting = agent.networks, agent.acting
        self.inputs: list[ActorInput] = []
        self.outputs, self.equal, self.gap = 0, 0, 0.0

    def act(self, inputs: ActorInput, epsilon: float | np.ndarray, rng: np.random.Generator) -> ActorOutput:
        """Epsilon-greedy on the truncated values."""
        whole, _, state = self.agent.values(inputs)
        q = whole if self.observations is None else self._short(inputs)
        self.outputs += len(q)
        self.equal += int((q.argmax(-1) == whole.argmax(-1)).sum())
        self.gap += float((whole.amax(-1) - q.amax(-1)).sum())
        return ActorOutput(epsilon_greedy(q, epsilon, rng), state=state)

    def _short(self, inputs: ActorInput) -> torch.Tensor:
        self.inputs = [*self.inputs, inputs][-self.observations - 1 :]
        obs = torch.stack([each.obs for each in self.inputs])
        rest: list[Any] = []
        for name, dtype in (("action", torch.int64), ("reward", torch.float32), ("first", torch.bool)):
            rest.append(torch.as_tensor(np.stack([getattr(v, name) for v in self.inputs]), dtype=dtype).to(obs.device))
        action, reward, first = rest
        state = self.online.initial(obs.shape[1]).to(obs.device)
        first[0] = False  # the state is zero there anyway
        with torch.no_grad():
            raw, _ = self.online.unroll(obs, action, reward, state, first)
        return raw[-1, ..., 0]

    def measured(self) -> dict[str, float]:
        """Share of outputs equal to the whole memory's, and mean of max Q with it less max Q without."""
        return {"agreement": self.equal / self.outputs, "value_gap": self.gap / self.outputs}
