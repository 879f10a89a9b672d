"""Losses refuse tensors of a wrong rank, which broadcasting would otherwise let pass."""

import pytest
import torch

from agents.losses import imagination, latent, munchausen, policy, prediction, retrace, returns, sequence, vtrace
from agents.losses.bootstrap import best
from agents.losses.categorical import Categorical, project
from agents.losses.implicit import Implicit
from agents.losses.penalty import Gradient
from agents.losses.quantile import Quantile, quantile_regression
from agents.losses.value import Scalar, at_action, q_loss

LOG = torch.randn(3, 2, 4)  # logits [T, B, A]
TB, B, BK = torch.ones(3, 2), torch.ones(2), torch.ones(2, 4)
RAW, Q = torch.ones(2, 5, 4), torch.ones(5, 2, 4)  # [B, A, K], [m + n, B, A] with m 3 and n 2
ACTION, ROWS = torch.zeros(2, dtype=torch.int64), torch.zeros(4, 2, dtype=torch.int64)
LAST, VALID = torch.zeros(5, 2, dtype=torch.bool), torch.ones(3, 2, dtype=torch.bool)
X = torch.ones(2, 3, requires_grad=True)

# function, its arguments, the places of those that are tensors and may have no other rank
CASES = {
    "project": (project, (-1.0, 1.0, B, B, BK), (2, 3, 4)),
    "categorical": (Categorical(-1.0, 1.0, 4).loss, (BK, B, B, BK), (0, 1, 2, 3)),
    "quantile": (Quantile(4, 1.0).loss, (BK, B, B, BK), (0, 1, 2, 3)),
    "scalar": (Scalar("huber").loss, (BK[:, :1], B, B, BK[:, :1]), (0, 1, 2, 3)),
    "quantile_regression": (quantile_regression, (BK, BK[:, 1:], BK, 1.0), (0, 1, 2)),
    "implicit": (Implicit(4, 3, 2, 1.0).loss, (BK, B, B, BK[:, 1:], BK), (0, 1, 2, 3, 4)),
    "q_loss": (q_loss, (Quantile(4, 1.0), RAW, ACTION, B, B, BK), range(1, 6)),
    "best": (best, (Quantile(4, 1.0), RAW, RAW[..., :3]), (1, 2)),
    "munchausen_term": (munchausen.munchausen_term, (RAW[0, :2], ACTION, 0.03, 0.9, -1.0), (0, 1)),
    "soft": (munchausen.soft, (RAW, RAW[..., 0], 0.03), (0, 1)),
    "at_action": (at_action, (RAW, ACTION), (0, 1)),
    "gradient": (Gradient(1.0, 0.0).terms, (X.sum(1), X), (0,)),
    "log_probability": (policy.log_probability, (LOG, ROWS[:3], 0.0), (0, 1)),
    "td_error": (policy.td_error, (B, B, B, B), (0, 1, 2, 3)),
    "policy_gradient_loss": (policy.policy_gradient_loss, (TB, TB, TB), (0, 1, 2)),
    "baseline_loss": (policy.baseline_loss, (TB, TB), (0, 1)),
    "retrace": (retrace.retrace, (Q[:4, :, 0], TB, TB, TB, TB, TB), range(6)),
    "truncated_weights": (retrace.truncated_weights, (LOG, LOG, LOG, ROWS[:3], TB, 10.0), range(5)),
    "projected": (retrace.projected, (LOG, LOG, 1.0), (0, 1)),
    "trust_region_loss": (retrace.trust_region_loss, (LOG, LOG, LOG, 1.0, "logits"), (0, 1, 2)),
    "surrogate": (policy.surrogate, (TB, TB), (0, 1)),
    "standardised": (policy.standardised, (B,), (0,)),
    "n_step": (returns.n_step, (TB, TB), (0, 1)),
    "n_steps": (returns.n_steps, (TB, TB, 2), (0, 1)),
    "sequence_errors": (sequence.sequence_errors, (Q, ROWS, Q[1:, :, 0], Q[1:, :, 0], Q, Q, LAST, 2, None), range(7)),
    "mixed_priority": (sequence.mixed_priority, (TB, VALID, 0.9), (0, 1)),
    "ends": (sequence.ends, (VALID,), (0,)),
    "discrepancy": (sequence.discrepancy, (Q[:3], Q[:2], VALID), (0, 1, 2)),
    "vtrace": (vtrace.vtrace, (Q[:4, :, 0], TB, TB, TB, TB, 1.0, 1.0, "vs"), range(5)),
    "gae": (vtrace.gae, (Q[:4, :, 0], TB, TB, TB, 0.9), range(4)),
    "kl_divergence": (policy.kl_divergence, (LOG, LOG), (0, 1)),
    "gaussian_log_likelihood": (policy.gaussian_log_likelihood, (TB, TB, TB[0, 0]), (0, 1, 2)),
    "draw": (latent.draw, (LOG.softmax(-1), TB), (0, 1)),
    "straight_through": (latent.straight_through, (LOG, TB), (0, 1)),
    "kl": (latent.Categorical(2, 2).kl, (BK, BK), (0, 1)),
    "gaussian_kl": (latent.Gaussian(2, "softplus", 0.1).kl, (BK, BK), (0, 1)),
    "gaussian_image": (prediction.GaussianImage().loss, (LOG, LOG), (0, 1)),
    "bernoulli_image": (prediction.BernoulliImage().loss, (LOG, LOG), (0, 1)),
    "reward_loss": (prediction.reward_loss, (TB, TB), (0, 1)),
    "discount_loss": (prediction.discount_loss, (TB, TB), (0, 1)),
    "lambda_returns": (imagination.lambda_returns, (TB, TB, TB, 0.9), (0, 1, 2)),
    "weights": (imagination.weights, (TB,), (0,)),
    "actor_loss": (imagination.actor_loss, (TB, TB, TB, TB, TB, 0.5, 0.1), (0, 1, 2, 3, 4)),
    "critic_loss": (imagination.critic_loss, (TB, TB, TB), (0, 1, 2)),
    "n_step_targets": (vtrace.n_step_targets, (Q[:4, :, 0], TB, TB, TB, "vs"), range(4)),
}


@pytest.mark.parametrize("name", CASES)
def test_a_tensor_of_a_wrong_rank_is_refused(name):
    loss, arguments, places = CASES[name]
    loss(*arguments)
    for place in places:
        wrong = [*arguments]
        wrong[place] = wrong[place][None]
        with pytest.raises(AssertionError):
            loss(*wrong)


def test_the_entropy_of_a_single_number_is_refused():
    with pytest.raises(AssertionError):
        policy.entropy(torch.tensor(0.0), 0.0)
