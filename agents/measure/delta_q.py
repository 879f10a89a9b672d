"""How far replayed Q-values lie from those of a memory that is up to date: a probe of recurrent agents.

Kapturowski et al. 2019 compare with the state that was acted with, which is as old as the replayed row: once the
replayed state has forgotten where it started, only that age is left (agents/r2d2.py, `delta_q_*`). Here the state is
unrolled from the episode's first row with the present parameters, so that what is left is the start's own error.
"""

import numpy as np
import torch

from agents.losses.sequence import discrepancy, ends
from agents.memory.replay import Replay
from agents.memory.select import Uniform
from agents.r2d2 import R2D2
from agents.spec.memory import UniformSelect


def fresh_delta_q(agent: R2D2, memory: Replay, rng: np.random.Generator, states: int) -> dict[str, float]:
    """Delta Q at a sequence's first and last row, mean over sequences; nothing where none can be measured.

    `states` sequences are drawn evenly. Those that begin an episode are left out, and those whose episode's first
    row is no longer in the memory.
    """
    store, online = memory.store, agent.online
    keys, weight = Uniform(UniformSelect(kind="uniform"), store).draw(rng, states, 0)
    age = store.read("age", keys).astype(np.int64)
    start = keys - age * store.streams
    good = ~store.read("first", keys) & (start >= max(0, store.count - store.rows) * store.streams)
    keys, weight, age, start = keys[good], weight[good], age[good], start[good]
    if not len(keys):
        return {}
    batch = store.gather(keys, weight).to(memory.device)
    # All episodes end together, right before their sequences; shorter ones repeat their first row, each time from zero.
    before = np.maximum(keys - np.arange(age.max(), 0, -1)[:, None] * store.streams, start)
    names = ("previous_action", "previous_reward", "first")
    extras = [torch.from_numpy(store.read(name, before)).to(memory.device) for name in names]
    with torch.no_grad():
        _, state = online.unroll(
            store.stacks(before).to(memory.device), *extras[:2], online.initial(len(keys)), extras[2]
        )
        whole, _ = online.unroll(batch.obs, *(batch.extras[name] for name in names[:2]), state, batch.extras["first"])
        picked = agent.picked(batch)
        q = agent.replayed(online, batch, picked)[: agent.spec.sequence]
    valid = ~picked["last"][: agent.spec.sequence]
    at = ends(valid) + agent.spec.burn_in
    fresh = whole[at, torch.arange(len(keys), device=at.device), :, 0]
    found = discrepancy(q, fresh, valid).mean(1).tolist()
    return dict(zip(("fresh_delta_q_first", "fresh_delta_q_last"), found, strict=True))
