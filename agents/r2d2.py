"""R2D2 (Kapturowski et al. 2019, OpenReview r1lyTjAqYX): Q-learning on replayed sequences with a recurrent network.

DRQN (Hausknecht & Stone 2015, arXiv:1507.06527) is the same with `state: zero`, no burn-in, no rescaling, one-step
returns and uniform draws (its random updates), or with `state: carried` and draws in sequence (its sequential ones);
the feed-forward R2D2 has a network without a core.

A sequence has l + m + n rows: l = burn_in, m = sequence, n = n_step (40, 80 and 5 in the paper's Table 2).

    row       0       …    l-1     l       …    l+m-1     l+m      …    l+m+n-1
              |--- burn-in ---|    |---- learned ----|    |---- bootstrap ----|
    drawn     S_t, A_t-1, R_t and whether an episode begins or ends, at every row (what the network sees);
              A_t, R_t+1 and the discount at all but the newest row
    state     h_0 -> …  -> h_l-1   -> h_l -> …            -> h_l+m -> …           each network by its own weights
    gradient  none                 from y_t - Q(S_t, A_t), through learned rows back to row l
    target                         y_t

    y_t = h(R_t+1 + γ R_t+2 + … + γ^n-1 R_t+n + γ^n h^-1(Q_target(S_t+n, a*)));  A_t gave R_t+1, `selector` a*

h_t is the state before row t. With `state: stored` h_0 is the one that the actor had at row 0 (a row's state is kept
with it), with `zero` it is zero, with `carried` the one after the learned rows of the sequence that the batch before
had in the same place (then l is 0 and `period` m). Burn-in makes it a state of today's weights.
Every learned row has its full n-step return from rows of the sequence, so that no rule is needed for a sequence's end.
Rows after an episode's last one repeat it, and neither they nor the last one are learned from. A sequence has one
priority, by its learned rows; the next one of its episode starts `period` rows later.

A sequence that begins an episode is learned from at once: its state is zero and needs no burn-in, and an episode's
first rows would never be learned from otherwise. In all others something was done at row l, within the same episode.

    row       0       …    m-1     m       …    m+n-1     m+n      …    l+m+n-1
              |--- learned ---|    |--- bootstrap ---|    |---- not used -----|
"""

import copy
from typing import Any

import numpy as np
import torch

from agents.acting.sampling import epsilon_greedy
from agents.agent import Given, Learned, restore, saved
from agents.losses.sequence import discrepancy, ends, mean_of, mixed_priority, sequence_errors
from agents.nets.network import Network
from agents.optim.step import Follower
from agents.spec.agent import R2D2 as R2D2Spec
from agents.step import ActorInput, ActorOutput, Batch, SequenceSpec


class R2D2:
    """Acts epsilon-greedily on `online` with a state carried through the episode, bootstraps on `target`."""

    acting = ("online",)

    def __init__(self, spec: R2D2Spec, given: Given):
        self.spec, self.noise = spec, given.noise
        self.networks = {"online": given.online, "target": copy.deepcopy(given.online).requires_grad_(False)}
        self.step = given.step(given.online)
        self.steps = {"online": self.step}
        self.target_copy = Follower(self.online, self.target, given.target_every, tau=1)
        self.carried: dict[
            str, torch.Tensor
        ] = {}  # network -> states [B, 2, units] after the newest update's sequences
        self._states = spec.state == "stored" or spec.measure_delta_q
        extras: dict[str, tuple[tuple[int, ...], type]] = {
            "first": ((), np.bool_),
            "previous_action": ((), np.int64),
            "previous_reward": ((), np.float32),
        }
        if self._states:
            extras["state"] = (tuple(self.online.initial(1).shape[1:]), np.float32)
        window = spec.burn_in + spec.sequence + spec.n_step - 1
        self.sequence_spec = SequenceSpec(window, tuple(range(window + 1)), spec.period, spec.burn_in, extras=extras)
        self.online.resample(self.noise)
        self._resets = given.resets
        same = not (given.resets or spec.measure_delta_q or spec.state == "carried")  # operations in every update
        self.update = given.capture(self._update, self.steps) if same else self._update

    @property
    def online(self) -> Network:
        return self.networks["online"]

    @property
    def target(self) -> Network:
        return self.networks["target"]

    def values(self, inputs: ActorInput) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """-> Q [B, A], the states [B, 2, units] before and after this step; an episode starts from a zero state."""
        size, device = len(inputs.obs), inputs.obs.device
        before = self.online.initial(size).to(device) if inputs.state is None else inputs.state
        before = before * torch.from_numpy(~inputs.first).to(device)[:, None, None]
        action, reward = (torch.as_tensor(x, device=device)[None] for x in (inputs.action, inputs.reward))
        with torch.no_grad():
            raw, after = self.online.unroll(inputs.obs[None], action, reward.float(), before)
        return raw[0, ..., 0], before, after

    def act(self, inputs: ActorInput, epsilon: float | np.ndarray, rng: np.random.Generator) -> ActorOutput:
        """Epsilon-greedy; epsilon is one number or [B]."""
        q, before, after = self.values(inputs)
        extras = {"first": inputs.first, "previous_action": inputs.action, "previous_reward": inputs.reward}
        if self._states:
            extras["state"] = before.cpu().numpy()
        return ActorOutput(epsilon_greedy(q, epsilon, rng), extras, after)

    def picked(self, batch: Batch) -> dict[str, Any]:
        """The rows of each sequence that are learned from, and the n after them: [sequence + n_step, B, …].

        `action`, `reward` and `discount` are one row shorter. `start` is the state before the sequence, `first` where
        it is zero again within it, None if nowhere: at lost lives, if the environment says so.
        """
        spec, extras = self.spec, batch.extras
        begins = extras["first"][0]
        first = extras["first"].clone()
        first[0] = False
        rows = torch.arange(spec.sequence + spec.n_step, device=begins.device)[:, None]
        rows = rows + torch.where(begins, 0, spec.burn_in)
        each = torch.arange(len(begins), device=begins.device)
        picked: dict[str, Any] = {name: x[rows, each] for name, x in extras.items()}
        picked |= {name: getattr(batch, name)[rows[:-1], each] for name in ("action", "reward", "discount")}
        picked |= {"obs": batch.obs[rows, each], "last": batch.last[rows, each], "inner": first[rows, each]}
        picked["first"] = first if self._resets and first.any() else None
        picked["start"] = extras["state"][0] if spec.state == "stored" else self.online.initial(len(begins))
        return picked

    def replayed(self, net: Network, batch: Batch, picked: dict[str, Any]) -> torch.Tensor:
        """Q [sequence + n_step, B, A] at the picked rows, after the burn-in."""
        if self.spec.state == "carried":
            return self._go_on(net, batch, picked)
        first, inner = (None, None) if picked["first"] is None else (picked["first"], picked["inner"])
        state = self._burn_in(net, batch, picked["start"], first)
        raw, _ = net.unroll(picked["obs"], picked["previous_action"], picked["previous_reward"], state, inner)
        return raw[..., 0]

    def _go_on(self, net: Network, batch: Batch, picked: dict[str, Any]) -> torch.Tensor:
        """`replayed` from the state that this network's last sequences ended with; it is kept for the next ones."""
        name, m = "target" if net is self.target else "online", self.spec.sequence
        begins = batch.extras["first"][0][:, None, None]
        start = torch.where(begins, picked["start"], self.carried.get(name, picked["start"]))
        inputs, inner = [picked[field] for field in ("obs", "previous_action", "previous_reward")], picked["inner"]
        learned, state = net.unroll(*(x[:m] for x in inputs), start, inner[:m])
        self.carried[name] = state.detach()
        beyond, _ = net.unroll(*(x[m:] for x in inputs), state, inner[m:])
        return torch.cat((learned, beyond))[..., 0]

    def learn(self, batch: Batch) -> Learned:
        """One step down the mean over the batch of weight x loss; then the target network, when its time has come."""
        learned = self.update(batch)
        self.target_copy.after(self.step.steps)
        return learned

    def _update(self, batch: Batch) -> Learned:
        loss, learned = self.loss(batch)
        norm = self.step.down(loss)
        return learned._replace(metrics={**learned.metrics, "grad_norm": norm})

    def loss(self, batch: Batch) -> tuple[torch.Tensor, Learned]:
        """Batch of `sequence_spec`; see agents/step.py. Squared errors, halved, over the rows of each sequence.

        -> scalar to go down, the rest. Kapturowski et al. 2019, section 2.3.
        """
        spec, begins = self.spec, batch.extras["first"][0]
        picked = self.picked(batch)
        for net in (self.target, self.online):
            net.resample(self.noise)
        with torch.no_grad():
            q_target = self.replayed(self.target, batch, picked)
        q = self.replayed(self.online, batch, picked)
        errors, valid = sequence_errors(
            q,
            picked["action"],
            picked["reward"],
            picked["discount"],
            q_target,
            q if spec.selector == "online" else q_target,
            picked["last"],
            spec.n_step,
            spec.rescale_epsilon,
        )
        losses = 0.5 * errors.square().sum(0)
        if spec.reduction == "mean":
            losses = losses / valid.sum(0)
        loss = (batch.weight * losses).mean()
        learned = q[: spec.sequence].detach()
        metrics = {"loss": loss.detach(), "q_mean": mean_of(learned.mean(-1), valid)}
        if spec.measure_delta_q and not begins.all():
            metrics |= self._delta_q(learned, valid, picked, ~begins)
        eta = spec.priority_mix or 0.0  # null: no draw goes by priorities
        return loss, Learned(mixed_priority(errors, valid, eta), metrics)

    def _burn_in(self, net: Network, batch: Batch, start: torch.Tensor, first: torch.Tensor | None) -> torch.Tensor:
        """The state before the first row to learn from, by this network's own weights and without gradient."""
        length, extras = self.spec.burn_in, batch.extras
        if not length:
            return start
        with torch.no_grad():
            inner = None if first is None else first[:length]
            obs, action, reward = (
                batch.obs[:length],
                extras["previous_action"][:length],
                extras["previous_reward"][:length],
            )
            _, state = net.unroll(obs, action, reward, start, inner)
        return torch.where(extras["first"][0][:, None, None], start, state)

    def _delta_q(
        self, q: torch.Tensor, valid: torch.Tensor, rows: dict[str, Any], wanted: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        """Delta Q (section 3) against the states that were acted with, mean over the sequences `wanted` [B].

        Those that begin an episode are left out: there every way to start has the same state.
        """
        columns = torch.nonzero(wanted).squeeze(1)
        valid = valid[:, columns]
        at = ends(valid)  # [2, b]

        def flat(x: torch.Tensor) -> torch.Tensor:
            return x[at, columns].flatten(0, 1)

        with torch.no_grad():
            acted, _ = self.online.unroll(
                flat(rows["obs"])[None],
                flat(rows["previous_action"])[None],
                flat(rows["previous_reward"])[None],
                flat(rows["state"]),
            )
        first, last = discrepancy(q[:, columns], acted[0, ..., 0].unflatten(0, at.shape), valid).mean(1)
        return {"delta_q_first": first, "delta_q_last": last}

    def outputs(self, obs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return self.online.first_outputs(obs)

    def state_dict(self) -> dict[str, Any]:
        return saved(self) | {"carried": dict(self.carried)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        restore(self, state)
        self.carried = state["carried"]
