"""What a world model's heads are asked to predict, as negative log-likelihoods without their constants; torch only.

Hafner et al. 2021 (arXiv:2010.02193, eq. 2): images, rewards and discounts of each state, given the state.

    row                  0      1      2      3   ...        each with its image x, and what was received on the way
                        x_0    x_1    x_2    x_3             there: reward r, discount d = gamma (1 - terminal)
    state     zero  ->  s_0 -> s_1 -> s_2 -> s_3             zero again, and without an action, where `first` is true
    action               -     a_0    a_1    a_2             the one that led to the row
    prior                p_0    p_1    p_2    p_3            of z, given h: before x is seen
    posterior            q_0    q_1    q_2    q_3            of z, given h and x
    loss          -ln p(x | s) - ln p(r | s) - ln p(d | s) + KL(q || p)  at every row
"""

import torch
from torch.nn import functional as F


class GaussianImage:
    """Pixels of unit variance: half the squared error, summed over an image."""

    def loss(self, raw: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
        """raw (the mean) and image [..., C, H, W] -> [...], nats."""
        assert raw.shape == image.shape and raw.ndim >= 3, (raw.shape, image.shape)
        return 0.5 * (raw - image).square().flatten(-3).sum(-1)

    def mean(self, raw: torch.Tensor) -> torch.Tensor:
        """[..., C, H, W]: what is seen as most likely, on the scale of the images."""
        return raw


class BernoulliImage:
    """Pixels that are 0 or 1: raw are logits, the loss is summed over an image."""

    def loss(self, raw: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
        """raw and image [..., C, H, W] -> [...], nats."""
        assert raw.shape == image.shape and raw.ndim >= 3, (raw.shape, image.shape)
        return F.binary_cross_entropy_with_logits(raw, image, reduction="none").flatten(-3).sum(-1)

    def mean(self, raw: torch.Tensor) -> torch.Tensor:
        """[..., C, H, W] in (0, 1): the probability of a 1."""
        return raw.sigmoid()


def reward_loss(mean: torch.Tensor, reward: torch.Tensor) -> torch.Tensor:
    """1/2 (r - mean)^2, a normal variable of unit variance; both of one shape, elementwise."""
    assert mean.shape == reward.shape, (mean.shape, reward.shape)
    return 0.5 * (mean - reward).square()


def discount_loss(logit: torch.Tensor, discount: torch.Tensor) -> torch.Tensor:
    """-d ln p - (1 - d) ln (1 - p), p = sigmoid(logit); both of one shape, elementwise.

    d is gamma (1 - terminal), which is no yes or no: the head's mean is to be the discount itself (the authors' code).
    """
    assert logit.shape == discount.shape, (logit.shape, discount.shape)
    return F.binary_cross_entropy_with_logits(logit, discount, reduction="none")
