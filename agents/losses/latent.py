"""What the latent part z of a world model's state is, and how far two beliefs about it lie apart; torch only.

A belief is given by a network as raw numbers [..., size]; a sample is [..., width]. Noise comes from outside, so that
the same noise gives the same sample: [..., variables], uniform in [0, 1) or standard normal, as `noise` draws it. Where
no gradient passes, a sample has a compact form: of one-hot vectors the places of their ones in width, int64.
Hafner et al. 2021 (arXiv:2010.02193, section 2.1 and appendix C), Hafner et al. 2020 (arXiv:1912.01603).
"""

import math

import torch
from torch.nn import functional as F


def draw(probability: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
    """A class of each distribution [..., K], by inverting its distribution function at noise [...] -> [...] int64.

    noise is uniform in [0, 1). No gradient.
    """
    assert probability.shape[:-1] == noise.shape and probability.ndim >= 1, (probability.shape, noise.shape)
    heights = probability.detach().cumsum(-1)  # rounding may leave the last one beside 1
    return torch.searchsorted(heights, noise.unsqueeze(-1), right=True).squeeze(-1).clamp_(max=heights.shape[-1] - 1)


def straight_through(logits: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
    """A one-hot draw from each softmax(logits) [..., K], noise [...] as for `draw` -> [..., K].

    The sample's gradient is that of the probabilities: z = onehot + p - sg(p) (arXiv:2010.02193, Algorithm 1).
    """
    probability = logits.softmax(-1)
    one_hot = torch.zeros_like(probability).scatter_(-1, draw(probability, noise).unsqueeze(-1), 1.0)
    return one_hot + (probability - probability.detach()) if probability.requires_grad else one_hot


class Categorical:
    """`variables` categorical variables of `classes` each; raw are logits, a sample their one-hot vectors in a row."""

    def __init__(self, variables: int, classes: int):
        self.variables, self._shape = variables, (variables, classes)
        self.size = self.width = variables * classes

    def noise(self, shape: tuple[int, ...], rng: torch.Generator) -> torch.Tensor:
        """-> [*shape, variables], uniform, from a generator on any device."""
        return torch.rand((*shape, self.variables), generator=rng, device=rng.device)

    def sample(self, raw: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        """[..., size] and [..., variables] -> [..., width], with the gradient of `straight_through`."""
        return straight_through(self._logits(raw), noise).flatten(-2)

    def pick(self, raw: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        """The same sample, compact: -> [..., variables] int64."""
        return self._places(draw(self._logits(raw).softmax(-1), noise))

    def mean(self, raw: torch.Tensor) -> torch.Tensor:
        """[..., size] -> [..., width]: of the samples, the probabilities."""
        return self._logits(raw).softmax(-1).flatten(-2)

    def compact(self, sample: torch.Tensor) -> torch.Tensor:
        """[..., width] -> [..., variables] int64."""
        return self._places(self._logits(sample).argmax(-1))

    def kl(self, q: torch.Tensor, p: torch.Tensor) -> torch.Tensor:
        """KL(q || p) of raw beliefs [..., size], summed over the variables -> [...], nats."""
        assert q.shape == p.shape and q.shape[-1] == self.size, (q.shape, p.shape)
        log_q, log_p = self._logits(q).log_softmax(-1), self._logits(p).log_softmax(-1)
        return (log_q.exp() * (log_q - log_p)).sum((-1, -2))

    def entropy(self, raw: torch.Tensor) -> torch.Tensor:
        """[..., size] -> [...], nats, summed over the variables."""
        log = self._logits(raw).log_softmax(-1)
        return -(log.exp() * log).sum((-1, -2))

    def _logits(self, raw: torch.Tensor) -> torch.Tensor:
        return raw.unflatten(-1, self._shape)

    def _places(self, chosen: torch.Tensor) -> torch.Tensor:
        return chosen + self._shape[1] * torch.arange(self.variables, device=chosen.device)


class Gaussian:
    """`variables` independent normal variables; raw are their means, then what their standard deviations come from.

    std = least + f(raw), f being softplus (Dreamer) or 2 sigmoid(x / 2) (DreamerV2's Gaussian ablation: sigmoid2).
    """

    def __init__(self, variables: int, form: str, least: float):
        self.variables = self.width = variables
        self.size, self._form, self._least = 2 * variables, form, least

    def noise(self, shape: tuple[int, ...], rng: torch.Generator) -> torch.Tensor:
        """-> [*shape, variables], standard normal, from a generator on any device."""
        return torch.randn((*shape, self.variables), generator=rng, device=rng.device)

    def sample(self, raw: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        """mean + std noise: [..., size] and [..., variables] -> [..., width]."""
        mean, std = self._moments(raw)
        return mean + std * noise

    def pick(self, raw: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        """The same sample: there is nothing more compact."""
        return self.sample(raw, noise)

    def mean(self, raw: torch.Tensor) -> torch.Tensor:
        """[..., size] -> [..., width]."""
        return self._moments(raw)[0]

    def compact(self, sample: torch.Tensor) -> torch.Tensor:
        """[..., width] as it is."""
        return sample

    def kl(self, q: torch.Tensor, p: torch.Tensor) -> torch.Tensor:
        """KL(q || p) of raw beliefs [..., size], summed over the variables -> [...], nats."""
        assert q.shape == p.shape and q.shape[-1] == self.size, (q.shape, p.shape)
        (mean_q, std_q), (mean_p, std_p) = self._moments(q), self._moments(p)
        spread = (std_q.square() + (mean_q - mean_p).square()) / (2 * std_p.square())
        return ((std_p / std_q).log() + spread - 0.5).sum(-1)

    def entropy(self, raw: torch.Tensor) -> torch.Tensor:
        """[..., size] -> [...], nats, summed over the variables."""
        return (self._moments(raw)[1].log() + 0.5 * math.log(2 * math.pi * math.e)).sum(-1)

    def _moments(self, raw: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        mean, x = raw.chunk(2, -1)
        return mean, self._least + (F.softplus(x) if self._form == "softplus" else 2 * torch.sigmoid(x / 2))


Latent = Categorical | Gaussian


class PlainKL:
    """max(free nats, mean KL(posterior || prior)): the one gradient for both (arXiv:1912.01603)."""

    def __init__(self, free_nats: float):
        self.free_nats = free_nats

    def loss(self, latent: Latent, posterior: torch.Tensor, prior: torch.Tensor) -> torch.Tensor:
        """Raw beliefs [..., size] -> scalar, nats."""
        return latent.kl(posterior, prior).mean().clamp(min=self.free_nats)


class BalancedKL:
    """alpha KL(sg(posterior) || prior) + (1 - alpha) KL(posterior || sg(prior)) (arXiv:2010.02193, Algorithm 2).

    The prior is drawn to the posterior with alpha, the posterior to the prior with what is left. Each term is a mean
    that counts as at least the free nats, below which it has no gradient.
    """

    def __init__(self, balance: float, free_nats: float):
        self.balance, self.free_nats = balance, free_nats

    def loss(self, latent: Latent, posterior: torch.Tensor, prior: torch.Tensor) -> torch.Tensor:
        """Raw beliefs [..., size] -> scalar, nats."""
        to_prior = latent.kl(posterior.detach(), prior).mean().clamp(min=self.free_nats)
        to_posterior = latent.kl(posterior, prior.detach()).mean().clamp(min=self.free_nats)
        return self.balance * to_prior + (1 - self.balance) * to_posterior
