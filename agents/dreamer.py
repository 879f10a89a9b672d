"""DreamerV2 (Hafner et al. 2021, arXiv:2010.02193): a world model learned from sequences, a policy learned inside it.

Dreamer (Hafner et al. 2020, arXiv:1912.01603) is the same with a Gaussian z, `kl: plain`, `reinforce: 0` (the policy's
gradient comes through the dynamics) and no slow critic. agents/losses/prediction.py draws the time line of what the
world model learns from, agents/losses/imagination.py that of what is imagined.

A batch has one row more than its sequences: row t's image goes with the action, reward and discount of row t - 1,
which led to it. A sequence starts from a zero state without an action, wherever it was cut from its episode, and runs
on into the next episode, where the state is zero again (the authors' packing of short episodes).

    batch row     0       1       2       3      …   L
    image         -      x_0     x_1     x_2         x_L-1
    action       (a)     a_0     a_1     a_2          -        a_t leads from x_t to x_t+1; zero where `first`
    reward       r_0     r_1     r_2     r_3          -        received on the way to x_t: of batch row t
    discount     d_0     d_1     d_2     d_3          -        gamma, 0 where that way ended the return

All is drawn uniformly, so that each row is learned from as often as any other; the authors draw an episode first and
see its end more often.
"""

import copy
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from agents.acting.sampling import explore
from agents.agent import Given, Learned, restore, saved
from agents.losses import imagination
from agents.losses.latent import Categorical
from agents.losses.policy import entropy, log_probability
from agents.losses.prediction import discount_loss, reward_loss
from agents.nets.rssm import State
from agents.nets.world_model import WorldModel
from agents.optim.step import Follower
from agents.spec.dreamer import Dreamer as DreamerSpec
from agents.step import ActorInput, ActorOutput, Batch, SequenceSpec

SQUASHED: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {"identity": lambda x: x, "tanh": torch.tanh}
Metrics = dict[str, torch.Tensor | float]


class Rows(NamedTuple):
    """A batch as the world model learns from it, [L, B, …]: each image with what led to it."""

    image: torch.Tensor
    action: torch.Tensor  # one-hot
    reward: torch.Tensor
    discount: torch.Tensor
    first: torch.Tensor  # the state before is zero


class Imagined(NamedTuple):
    """Trajectories of H steps from N states."""

    state: State  # [H + 1, N, ...]
    action: torch.Tensor  # [H, N] int64; action t leads from state t to state t + 1


class Dreamer:
    """Samples its policy on a state that it follows from image to image; takes the likeliest action in evaluation.

    `model` and `actor` act. `slow_critic` is the critic itself where no copy is asked for.
    """

    acting = ("model", "actor")

    def __init__(self, spec: DreamerSpec, given: Given, image: Any, kl: Any, reinforce: Any, entropy_weight: Any):
        self.spec, self.noise, self.frames = spec, given.noise, given.frames
        self.image, self.kl, self.reinforce, self.entropy_weight = image, kl, reinforce, entropy_weight
        model, actor, critic = given.online.model, given.online.actor, given.online.critic
        self.networks: dict[str, nn.Module] = {"model": model, "actor": actor, "critic": critic}
        self.policy = Categorical(1, given.actions)
        self.steps = {
            "model": given.step(model),
            "actor": given.step(actor, spec.actor_lr),
            "critic": given.step(critic, spec.critic_lr),
        }
        self.slow_copy = None
        if given.target_every is not None:
            self.networks["slow_critic"] = copy.deepcopy(critic).requires_grad_(False)
            self.slow_copy = Follower(critic, self.networks["slow_critic"], given.target_every, tau=1)
        self.sequence_spec = SequenceSpec(spec.sequence, tuple(range(1, spec.sequence + 1)), cross_episodes=True)

    @property
    def model(self) -> WorldModel:
        return self.networks["model"]

    @property
    def slow_critic(self) -> nn.Module:
        return self.networks.get("slow_critic", self.networks["critic"])

    def act(self, inputs: ActorInput, epsilon: float | np.ndarray, rng: np.random.Generator) -> ActorOutput:
        """A draw from the policy, the likeliest action where the actor is in evaluation mode; a random one by epsilon.

        The state handed on is [B, D + width], after this step's image.
        """
        actor, size = self.networks["actor"], len(inputs.obs)
        draws = torch.Generator().manual_seed(int(rng.integers(2**63 - 1)))
        random, chosen = explore(rng, epsilon, size, self.policy.size)
        with torch.no_grad():
            state = self.follow(inputs, draws)
            logits = actor(state)
            noise = self.policy.noise((size,), draws).to(logits.device)
            action = (self.policy.sample(logits, noise) if actor.training else logits).argmax(-1)
        return ActorOutput(np.where(random, chosen, action.cpu().numpy()), {}, torch.cat(state, -1))

    def follow(self, inputs: ActorInput, draws: torch.Generator) -> State:
        """The state [B, ...] after the image in view; an episode begins from zero."""
        model, size, device = self.model, len(inputs.obs), inputs.obs.device
        before = model.rssm.initial(size)
        if inputs.state is not None:
            before = State(*inputs.state.split([part.shape[-1] for part in before], -1))
        action = F.one_hot(torch.from_numpy(inputs.action).to(device), self.policy.size).float()
        first = torch.from_numpy(inputs.first).to(device)
        noise = model.rssm.latent.noise((1, size), draws).to(device)
        embedded = model.embed(model.image(inputs.obs)[None])
        return model.rssm.observe(embedded, action[None], first[None], before, noise)[0].rows(0)

    def learn(self, batch: Batch) -> Learned:
        """A step of the world model; then, imagined from its states, one of the actor and one of the critic."""
        rows = self.rows(batch)
        loss, states, metrics = self.model_loss(rows)
        metrics |= {"loss": loss.detach(), "grad_norm": self.steps["model"].down(loss)}
        metrics |= self.learn_behaviour(states.detach(), rows.discount)
        if self.slow_copy:
            self.slow_copy.after(self.steps["critic"].steps)
        return Learned(torch.ones_like(batch.weight), metrics)

    def rows(self, batch: Batch) -> Rows:
        """See this file's head."""
        first = batch.first[1:].clone()
        first[0] = True
        # A last row's own transition is a loop to itself, and what comes after is the next episode's first row.
        discount = torch.where(batch.last[:-1], self.spec.discount, batch.discount)
        action = F.one_hot(batch.action, self.policy.size).float()
        return Rows(self.model.image(batch.obs), action, SQUASHED[self.spec.reward](batch.reward), discount, first)

    def model_loss(self, rows: Rows) -> tuple[torch.Tensor, State, Metrics]:
        """-> scalar, states [L, B, ...] with their gradient, metrics (arXiv:2010.02193, eq. 2)."""
        spec, model = self.spec, self.model
        length, size = rows.first.shape
        noise = model.rssm.latent.noise((length, size), self.noise)
        start = model.rssm.initial(size)
        state, posterior = model.rssm.observe(model.embed(rows.image), rows.action, rows.first, start, noise)
        prior = model.rssm.prior(state.h)
        fixed = state.detach()
        read = {head: state if head in spec.shapes_state else fixed for head in ("image", "reward", "discount")}
        image = self.image.loss(model.decoder(read["image"]), rows.image).mean()
        reward = reward_loss(model.rewards(read["reward"]), rows.reward).mean()
        kl = self.kl.loss(model.rssm.latent, posterior, prior)
        loss = image + spec.reward_weight * reward + spec.kl_weight * kl
        metrics: Metrics = {"image_loss": image.detach(), "reward_loss": reward.detach()}
        if spec.discount_weight is not None:
            discount = discount_loss(model.discounts(read["discount"]), rows.discount).mean()
            loss = loss + spec.discount_weight * discount
            metrics["discount_loss"] = discount.detach()
        with torch.no_grad():
            latent = model.rssm.latent
            metrics["kl"] = latent.kl(posterior, prior).mean()
            metrics |= {"prior_entropy": latent.entropy(prior).mean()}
            metrics |= {"posterior_entropy": latent.entropy(posterior).mean()}
        return loss, state, metrics

    def learn_behaviour(self, states: State, discount: torch.Tensor) -> Metrics:
        """A step of actor and critic on what is imagined from states [L, B, ...], whose true discounts are [L, B]."""
        spec, actor, critic = self.spec, self.networks["actor"], self.networks["critic"]
        rho, eta = self.reinforce(self.frames()), self.entropy_weight(self.frames())
        start, true = self.starts(State(*(part.flatten(0, 1) for part in states)), discount.flatten())
        with torch.set_grad_enabled(rho < 1):  # the policy gradient needs none of what leads to a state
            seen = self.imagine(start)
            reward, discount, value = self.judge(seen.state, true)
            returns = imagination.lambda_returns(reward, discount, value[1:], spec.return_decay)
        weight, fixed = imagination.weights(discount), seen.state.detach()
        logits = actor(fixed.rows(slice(-2)))
        spread = entropy(logits, 0.0)
        loss = imagination.actor_loss(
            log_probability(logits, seen.action[:-1], 0.0),
            spread,
            returns[1:],
            value[:-2],
            weight[:-1],
            rho,
            eta,
        )
        values = critic(fixed.rows(slice(-1)))
        metrics: Metrics = {
            "actor_loss": loss.detach(),
            "entropy": spread.detach().mean(),
            "value_mean": values.detach().mean(),
            "imagined_return": returns.detach().mean(),
            "imagined_reward": reward.detach().mean(),
            "actor_grad_norm": self.steps["actor"].down(loss),
        }
        loss = imagination.critic_loss(values, returns, weight)
        metrics["critic_loss"] = loss.detach()
        return metrics | {"critic_grad_norm": self.steps["critic"].down(loss)}

    def starts(self, states: State, discount: torch.Tensor) -> tuple[State, torch.Tensor]:
        """[M, ...] and [M] -> as many of them as trajectories are to start from."""
        count = self.spec.starts
        if count is None:
            return states, discount
        chosen = torch.randperm(len(discount), generator=self.noise, device=discount.device)[:count]
        return states.rows(chosen), discount[chosen]

    def imagine(self, start: State) -> Imagined:
        """H steps of policy and prior from states [N, ...]; no gradient reaches the actor through its inputs.

        Without gradients z and actions are compact, which is quicker.
        """
        rssm, actor, horizon, size = self.model.rssm, self.networks["actor"], self.spec.horizon, len(start.h)
        compact = not torch.is_grad_enabled()
        draw = self.policy.pick if compact else self.policy.sample
        chance = self.policy.noise((horizon, size), self.noise)
        noise = rssm.latent.noise((horizon, size), self.noise)
        states, actions = [State(start.h, rssm.latent.compact(start.z)) if compact else start], []
        for t in range(horizon):
            actions.append(draw(actor(states[-1].detach()), chance[t]))
            states.append(rssm.step(states[-1], actions[-1], noise[t]))
        action = torch.stack(actions).detach()
        chosen = action.squeeze(-1) if compact else action.argmax(-1)
        return Imagined(State(*map(torch.stack, zip(*states, strict=True))), chosen)

    def judge(self, state: State, true: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Rewards and discounts [H, N] of states 0 to H - 1, slow values [H + 1, N]; `true` [N] is what state 0 had."""
        model = self.model
        reward, value = model.rewards(state.rows(slice(-1))), self.slow_critic(state)
        if self.spec.discount_weight is None:
            return reward, torch.full_like(reward, self.spec.discount), value
        discount = model.discounts(state.rows(slice(1, -1))).sigmoid()
        return reward, torch.cat([true[None], discount]), value

    def outputs(self, obs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Logits [B, A] and values [B] at episodes' first rows, with the same noise every time."""
        size = len(obs)
        nothing = np.zeros(size, np.int64)
        inputs = ActorInput(obs, np.ones(size, bool), nothing, nothing.astype(np.float32), None)
        with torch.no_grad():
            state = self.follow(inputs, torch.Generator().manual_seed(0))
            return self.networks["actor"](state), self.networks["critic"](state)

    def state_dict(self) -> dict[str, Any]:
        return saved(self)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        restore(self, state)
