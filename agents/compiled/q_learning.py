"""Q-learning on MinAtar's network, compiled: action values, and the loss with the gradients of all parameters.

losses/value.py and losses/categorical.py say what is computed. What K numbers of an action stand for follows from
`support`: the K returns of a categorical distribution, or one number, the value itself. Weights, scales and gradients
are those of network.py.
"""

import math

import numpy as np
from numba import njit

from agents.compiled.conv import ONE, ZERO, Lit, Sight, lit_of
from agents.compiled.draws import Source, below, source, uniform
from agents.compiled.network import backward, forward

HALF, TWO = np.float32(0.5), np.float32(2)
LOG2E, LN2 = np.float32(1 / math.log(2)), math.log(2)
C1, C2, C3, C4, C5, C6, C7 = (np.float32(LN2**k / math.factorial(k)) for k in range(1, 8))


@njit(cache=True, fastmath={"contract"})
def _exponentials(x: np.ndarray, y: np.ndarray, bits: np.ndarray) -> None:
    """y <- e^x for x <= 0, elementwise, by 2^(n + f) with f within 1/2 of 0; `bits` [as x] int32 is room for 2^n.

    The relative error is below 2e-7 (1 + |x|); below 2^-126 it stays there. Unlike the library's, it goes by eights.
    """
    for i in range(len(x)):
        t = x[i] * LOG2E
        t = np.float32(-126) if t < -126 else t  # NaN stays NaN
        n = np.rint(t)
        f = t - n
        bits[i] = (np.int32(n) + 127) << 23
        y[i] = ONE + f * (C1 + f * (C2 + f * (C3 + f * (C4 + f * (C5 + f * (C6 + f * C7))))))
    power = bits.view(np.float32)
    for i in range(len(y)):
        y[i] *= power[i]


@njit(cache=True)
def _softmax(logits: np.ndarray, p: np.ndarray, bits: np.ndarray) -> float:
    """p [K] <- softmax of logits [K]. -> log sum e^logits."""
    top = logits[0]
    for x in logits:
        top = x if not x <= top else top  # NaN stays NaN
    _exponentials(logits - top, p, bits)
    total = ZERO
    for x in p:
        total += x
    p /= total
    return top + np.float32(math.log(total))


@njit(cache=True)
def means(raw: np.ndarray, support: np.ndarray) -> np.ndarray:
    """Action values [B, A] of raw [B, A * K]."""
    if len(support) == 1:
        return raw
    flat = raw.reshape(-1, len(support))
    found, p, bits = np.empty(len(flat), np.float32), np.empty_like(support), np.empty(len(support), np.int32)
    for n in range(len(flat)):
        _softmax(flat[n], p, bits)
        found[n] = np.dot(p, support)
    return found.reshape(len(raw), -1)


@njit(cache=True)
def action_values(
    x: np.ndarray, seen: Sight, weights: np.ndarray, scales: np.ndarray, support: np.ndarray
) -> np.ndarray:
    """Observations [B, pixels] float32 -> [B, A]."""
    return means(forward(lit_of(x), seen, weights, scales)[-1], support)


@njit(cache=True)
def epsilon_greedy(
    x: np.ndarray,
    seen: Sight,
    weights: np.ndarray,
    scales: np.ndarray,
    support: np.ndarray,
    rng: Source,
    epsilon: np.ndarray,
    keep: bool,
) -> tuple[np.ndarray, np.ndarray]:
    """Actions [B] int64 and action values [B, A]; epsilon [1] or [B]. acting/sampling.py says which draws are made.

    No values [0, A] where all act at random and nothing is to be kept.
    """
    size, actions = len(x), weights[5, 1] // len(support)
    random, chosen = np.empty(size, np.bool_), np.empty(size, np.int64)
    for b in range(size):
        random[b] = uniform(rng) < epsilon[b % len(epsilon)]
    for b in range(size):
        chosen[b] = below(rng, actions)
    if not keep and random.all():
        return chosen, np.empty((0, actions), np.float32)
    q = action_values(x, seen, weights, scales, support)
    for b in range(size):
        if not random[b]:
            chosen[b] = q[b].argmax()
    return chosen, q


@njit(cache=True)
def _scalar(error: float, huber: bool) -> tuple[float, float]:
    """-> loss, its slope by the error."""
    if huber and not abs(error) < 1:
        return abs(error) - HALF, np.sign(error)
    return error * error * (HALF if huber else ONE), error * (ONE if huber else TWO)


@njit(cache=True)
def _project(support: np.ndarray, r_t: float, discount_t: float, p_t: np.ndarray, m: np.ndarray) -> None:
    """m [K] <- the distribution of r_t + discount_t Z on Z's support, where Z has p_t [K] (losses/categorical.py)."""
    low, high, last = support[0], support[-1], len(support) - 1
    per_unit = np.float32(last) / (high - low)
    m[:] = 0
    for i in range(len(support)):
        b = (min(max(r_t + discount_t * support[i], low), high) - low) * per_unit
        b = np.float32(last) if b > last else b
        lower = np.int64(b) if b > 0 else 0  # NaN stays NaN, below
        upper_share = b - np.float32(lower)
        m[lower] += p_t[i] * (ONE - upper_share)
        m[min(lower + 1, last)] += p_t[i] * upper_share


@njit(cache=True)
def q_learning(
    lit_tm1: Lit,
    a_tm1: np.ndarray,
    r_t: np.ndarray,
    discount_t: np.ndarray,
    lit_t: Lit,
    weight: np.ndarray,
    seen: Sight,
    online: np.ndarray,
    selector: np.ndarray,
    target: np.ndarray,
    scales: np.ndarray,
    target_scales: np.ndarray,
    support: np.ndarray,
    double: bool,
    huber: bool,
    gradients: np.ndarray,
) -> tuple[np.ndarray, float, float]:
    """The mean of weight x loss; its gradients by the online weights are written to `gradients`.

    lit_tm1 and lit_t are the observations at the transitions' ends; a_tm1, r_t, discount_t and weight [B]. Bootstraps
    from `target` at the best action by `selector`, the online weights with noise of their own, where `double`, else by
    `target`. -> priorities [B], loss, mean of Q(s).
    """
    atoms, share = len(support), ONE / np.float32(len(a_tm1))
    raw_t = forward(lit_t, seen, target, target_scales)[-1]
    q_t = means(forward(lit_t, seen, selector, scales)[-1] if double else raw_t, support)
    y, h, g, raw = forward(lit_tm1, seen, online, scales)
    q = means(raw, support)
    gradient, priority, loss = np.zeros_like(raw), np.empty(len(raw), np.float32), ZERO
    p, m, bits = np.empty_like(support), np.empty_like(support), np.empty(atoms, np.int32)
    for b in range(len(raw)):
        a, best = a_tm1[b], q_t[b].argmax()
        if atoms == 1:
            error = raw[b, a] - (r_t[b] + discount_t[b] * raw_t[b, best])
            one, slope = _scalar(error, huber)
            gradient[b, a] = weight[b] * share * slope
            priority[b] = abs(error)
        else:
            _softmax(raw_t[b, best * atoms : (best + 1) * atoms], p, bits)
            _project(support, r_t[b], discount_t[b], p, m)
            logits = raw[b, a * atoms : (a + 1) * atoms]
            log_total = _softmax(logits, p, bits)
            one = ZERO
            for i in range(atoms):
                one += m[i] * (log_total - logits[i])
                gradient[b, a * atoms + i] = weight[b] * share * (p[i] - m[i])
            priority[b] = one
        loss += weight[b] * one
    backward(lit_tm1, seen, online, scales, y, h, g, gradient, gradients)
    return priority, loss * share, q.mean()


def prepare(seen: Sight, weights: np.ndarray, atoms: int) -> None:
    """Compile all of this, or load what was compiled before: now, and not in the midst of a training."""
    blank, nothing = np.zeros((1, len(seen.start) - 1), np.float32), np.zeros(1, np.float32)
    first, plain, support = np.zeros(1, np.int64), np.ones(6, np.float32), np.arange(atoms).astype(np.float32)
    rng = np.random.default_rng()
    epsilon_greedy(blank, seen, weights, plain, support, source(rng), np.zeros(1), False)
    room = [np.empty(rows * columns, np.float32) for _, rows, columns in weights]
    gradients = weights.copy()
    gradients[:, 0] = [array.ctypes.data for array in room]
    lit = lit_of(blank)
    batch, nets = (lit, first, nothing, nothing, lit, nothing), (weights, weights, weights)
    q_learning(*batch, seen, *nets, plain, plain, support, False, False, gradients)
