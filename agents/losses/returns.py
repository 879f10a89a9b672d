"""Returns over a window of transitions. Time runs along the first axis; torch only."""

import torch


def n_step(r_t: torch.Tensor, discount_t: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The n-step return without its bootstrap, and what the bootstrap is to be multiplied by.

    r_t, discount_t [n, B] -> R [B] = sum_k (prod_{j<k} discount_j) r_k, D [B] = prod_k discount_k
    (Sutton 1988; Hessel et al. 2018, eq. for R_t^(n)). A discount of 0 cuts the return there.
    """
    total, product = r_t[0], discount_t[0]
    for k in range(1, r_t.shape[0]):
        total = torch.addcmul(total, product, r_t[k])
        product = product * discount_t[k]
    return total, product
