"""An agent that forgets: its policy made of the newest observations alone (Kapturowski et al. 2019, Figure 5)."""

from typing import Any

import numpy as np
import torch

from agents.r2d2 import R2D2
from agents.sampling import epsilon_greedy
from agents.step import Decision, View


class Truncated:
    """Acts as `agent` would from a zero state `observations` rows ago; None: with its whole memory.

    With 0 only the present observation is left. `measured` says how far that changes what the whole memory says.
    """

    def __init__(self, agent: R2D2, observations: int | None):
        self.agent, self.observations, self.online = agent, observations, agent.online
        self.views: list[View] = []
        self.decisions, self.equal, self.gap = 0, 0, 0.0

    def act(self, view: View, epsilon: float | np.ndarray, dice: np.random.Generator) -> Decision:
        """Epsilon-greedy on the truncated values."""
        whole, _, state = self.agent.values(view)
        q = whole if self.observations is None else self._short(view)
        self.decisions += len(q)
        self.equal += int((q.argmax(-1) == whole.argmax(-1)).sum())
        self.gap += float((whole.amax(-1) - q.amax(-1)).sum())
        return Decision(epsilon_greedy(q, epsilon, dice), state=state)

    def _short(self, view: View) -> torch.Tensor:
        self.views = [*self.views, view][-self.observations - 1 :]
        obs = torch.stack([each.obs for each in self.views])
        rest: list[Any] = []
        for name, dtype in (("action", torch.int64), ("reward", torch.float32), ("first", torch.bool)):
            rest.append(torch.as_tensor(np.stack([getattr(v, name) for v in self.views]), dtype=dtype).to(obs.device))
        action, reward, first = rest
        state = self.online.initial(obs.shape[1]).to(obs.device)
        first[0] = False  # the state is zero there anyway
        with torch.no_grad():
            raw, _ = self.online.unroll(obs, action, reward, state, first)
        return raw[-1, ..., 0]

    def measured(self) -> dict[str, float]:
        """Share of decisions equal to the whole memory's, and mean of max Q with it less max Q without."""
        return {"agreement": self.equal / self.decisions, "value_gap": self.gap / self.decisions}
