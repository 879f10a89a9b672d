"""What an actor and a critic learn from imagined trajectories; torch only. Time runs along the first axis.

Hafner et al. 2021 (arXiv:2010.02193, eqs 4 to 6). H steps lead from a state of the replayed sequences to state H:

    state        s_0 -a_0-> s_1 -a_1-> s_2   ...   s_H-1 -a_H-1-> s_H
    reward       r_0        r_1        r_2         r_H-1           -        predicted at the state: received on the way
    discount     d_0        d_1        d_2         d_H-1           -        there (d_0 is the replayed one)
    value         -         v_1        v_2         v_H-1          v_H       slow critic
    return       V_0        V_1        V_2         V_H-1                    V_t = r_t + d_t ((1 - l) v_t+1 + l V_t+1)
    weight        1         d_0       d_0 d_1      ...                      whether the state is reached at all
    critic       l_0        l_1        l_2         l_H-1                    1/2 (v(s_t) - sg(V_t))^2
    actor        l_0        l_1        ...  l_H-2                           a_t led to s_t+1: credited with V_t+1

The last action leads to s_H, of which there is no return; the first return belongs to an action that was not imagined.
"""

import torch


def lambda_returns(reward: torch.Tensor, discount: torch.Tensor, value: torch.Tensor, decay: float) -> torch.Tensor:
    """V_t = r_t + d_t ((1 - decay) v_t+1 + decay V_t+1), V_H = v_H (arXiv:2010.02193, eq. 4).

    reward and discount [H, N] of states 0 to H - 1, value [H, N] of states 1 to H -> [H, N] of states 0 to H - 1.
    """
    assert reward.ndim == 2 and reward.shape == discount.shape == value.shape, (reward.shape, discount.shape)
    returns, after = [], value[-1]
    for r, d, v in zip(reward.flip(0), discount.flip(0), value.flip(0), strict=True):
        after = r + d * ((1 - decay) * v + decay * after)
        returns.append(after)
    return torch.stack(returns[::-1])


def weights(discount: torch.Tensor) -> torch.Tensor:
    """w_t = d_0 ... d_t-1, w_0 = 1, without gradient: discount [H, N] of states 0 to H - 1 -> [H, N] of the same."""
    assert discount.ndim == 2, discount.shape
    ones = torch.ones_like(discount[:1])
    return torch.cat([ones, discount[:-1].detach()]).cumprod(0)


def actor_loss(
    log_pi: torch.Tensor,
    entropy: torch.Tensor,
    returns: torch.Tensor,
    baseline: torch.Tensor,
    weight: torch.Tensor,
    reinforce: float,
    entropy_weight: float,
) -> torch.Tensor:
    """-w (rho ln pi(a) sg(V - v) + (1 - rho) V + eta H[pi]), mean over time and trajectories -> scalar (eq. 6).

    All [T, N], row t of the state at which a_t was chosen, but for returns: row t of the state that a_t led to. rho =
    `reinforce` weighs the policy gradient against the one that comes through returns, rewards and dynamics.
    """
    shapes = {x.shape for x in (log_pi, entropy, returns, baseline, weight)}
    assert log_pi.ndim == 2 and len(shapes) == 1, shapes
    objective = entropy_weight * entropy
    if reinforce:
        objective = objective + reinforce * log_pi * (returns - baseline).detach()
    if reinforce < 1:
        objective = objective + (1 - reinforce) * returns
    return -(weight * objective).mean()


def critic_loss(values: torch.Tensor, returns: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """w 1/2 (v - sg(V))^2, mean over time and trajectories; all [T, N] -> scalar (eq. 5)."""
    assert values.ndim == 2 and values.shape == returns.shape == weight.shape, (values.shape, returns.shape)
    return (weight * 0.5 * (values - returns.detach()).square()).mean()
