"""Returns of actor-critics over a window: V-trace, and n-step returns and GAE as cases of it; torch only.

Time runs along the first axis. Nothing here carries a gradient.
"""

from typing import NamedTuple

import torch


class Corrected(NamedTuple):
    """What an actor-critic learns from. Where nothing was done, vs is V itself, and rho and advantage are 0."""

    vs: torch.Tensor  # [T, B], targets of the value
    rho: torch.Tensor  # [T, B], clipped ratios
    advantage: torch.Tensor  # [T, B], q_s - V(x_s), before its multiplication by rho


@torch.no_grad()
def vtrace(
    values: torch.Tensor,
    r_t: torch.Tensor,
    discount_t: torch.Tensor,
    log_ratio: torch.Tensor,
    acted: torch.Tensor,
    rho_bar: float,
    c_bar: float,
    q: str,
) -> Corrected:
    """V-trace targets by the recursion of Remark 1 (Espeholt et al. 2018, eq. 1, arXiv:1802.01561).

    values [T + 1, B]; r_t, discount_t (gamma inside, 0 at termination), log_ratio = log pi(a)/mu(a), acted [T, B].
    v_s = V_s + rho_s (r_s + gamma V_{s+1} - V_s) + gamma c_s (v_{s+1} - V_{s+1}), from v_T = V_T backwards, with
    rho = min(rho_bar, pi/mu) and c = min(c_bar, pi/mu); both are 0 where nothing was `acted` (an episode's last row):
    there v is V itself, which is what the rows before bootstrap from. q_s = r_s + gamma v_{s+1} (`vs`) or
    r_s + gamma V_{s+1} (`value`, appendix E.3). With ratios of 1 and bars of at least 1 it is the n-step return.
    Raises KeyError for a `q` that is neither.
    """
    shapes = r_t.shape, discount_t.shape, log_ratio.shape, acted.shape
    assert values.ndim == 2 and set(shapes) == {values[1:].shape}, (values.shape, *shapes)
    ratio = log_ratio.exp() * acted
    rho, c = ratio.clamp(max=rho_bar), ratio.clamp(max=c_bar)
    delta = rho * (r_t + discount_t * values[1:] - values[:-1])
    vs, following = torch.empty_like(r_t), values[-1]
    for t in range(len(r_t) - 1, -1, -1):
        vs[t] = following = values[t] + delta[t] + discount_t[t] * c[t] * (following - values[t + 1])
    bootstrap = {"vs": torch.cat([vs[1:], values[-1:]]), "value": values[1:]}[q]
    return Corrected(vs, rho, (r_t + discount_t * bootstrap - values[:-1]) * acted)


def n_step_targets(
    values: torch.Tensor, r_t: torch.Tensor, discount_t: torch.Tensor, acted: torch.Tensor, q: str
) -> Corrected:
    """R_s = r_s + gamma R_{s+1} from R_T = V_T backwards (Mnih et al. 2016, Algorithm S3); shapes as in `vtrace`.

    arXiv:1602.01783. rho is 1 where something was done.
    """
    assert values.ndim == 2 and r_t.shape == values[1:].shape, (values.shape, r_t.shape)
    return vtrace(values, r_t, discount_t, torch.zeros_like(r_t), acted, 1.0, 1.0, q)


def gae(
    values: torch.Tensor, r_t: torch.Tensor, discount_t: torch.Tensor, acted: torch.Tensor, trace_decay: float
) -> Corrected:
    """A_s = delta_s + gamma lambda A_{s+1}, delta_s = r_s + gamma V_{s+1} - V_s; v_s = V_s + A_s, the lambda-return.

    Schulman et al. 2016, eq. 16 (arXiv:1506.02438), from A_T = 0 backwards; shapes as in `vtrace`, whose trace
    coefficients c are lambda here. rho is 1 where something was done; lambda 1 gives the n-step returns.
    """
    assert values.ndim == 2 and r_t.shape == values[1:].shape, (values.shape, r_t.shape)
    found = vtrace(values, r_t, discount_t, torch.zeros_like(r_t), acted, 1.0, trace_decay, "vs")
    return found._replace(advantage=found.vs - values[:-1])
