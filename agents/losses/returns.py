"""Returns over a window of transitions. Time runs along the first axis; torch only."""

import torch


def n_step(r_t: torch.Tensor, discount_t: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The n-step return without its bootstrap, and what the bootstrap is to be multiplied by.

    r_t, discount_t [n, B] -> R [B] = sum_k (prod_{j<k} discount_j) r_k, D [B] = prod_k discount_k
    (Sutton 1988; Hessel et al. 2018, eq. for R_t^(n), arXiv:1710.02298). A discount of 0 cuts the return there.
    More axes than B may follow the first.
    """
    assert r_t.ndim >= 2 and r_t.shape == discount_t.shape, (r_t.shape, discount_t.shape)
    total, product = r_t[0], discount_t[0]
    for k in range(1, len(r_t)):
        total = total + product * r_t[k]
        product = product * discount_t[k]
    return total, product


def n_steps(r_t: torch.Tensor, discount_t: torch.Tensor, n: int) -> tuple[torch.Tensor, torch.Tensor]:
    """`n_step` from every row that has n from itself on. r_t, discount_t [T, B] -> R, D [T - n + 1, B]; n <= T."""
    assert r_t.ndim == 2 and r_t.shape == discount_t.shape, (r_t.shape, discount_t.shape)
    rows = len(r_t) - n + 1
    windows = [slice(k, k + rows) for k in range(n)]
    return n_step(torch.stack([r_t[w] for w in windows]), torch.stack([discount_t[w] for w in windows]))
