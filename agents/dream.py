"""`python -m agents.dream --run FOLDER --out FILE`: what a finished run's world model makes of an episode, as Parquet.

A stretch of an episode that the kept networks play is followed image by image (`decoded`). From its `context` on it is
also imagined without looking, with the actions that were done: by the mean of the latent state, and by two samples of
it. Beside each image stand the reward received on the way to it and the discount of what comes after
(agents/losses/prediction.py), as the model was taught them.

Hafner et al. 2021 (arXiv:2010.02193); open-loop predictions as in Hafner et al. 2019 (arXiv:1811.04551, Figure 6).
"""

import argparse
import copy
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import torch
from torch.nn import functional as F

from agents.acting.actor import Actor, Stacker
from agents.acting.exploration import Constant
from agents.agent import acting_networks
from agents.dreamer import SQUASHED, Dreamer
from agents.envs.stream import make_streams
from agents.kept.load import after, agent_of, facts_of
from agents.nets.rssm import Rssm, State
from agents.rng import generator, integer_seed
from agents.run.record import TEXT, write_table
from agents.spec.run import Spec

PLAYED = 500  # agent steps to look for a stretch in
SCHEMA = pa.schema(
    [
        pa.field("row", TEXT, metadata={"meaning": "seen, decoded, mean, sample 1, sample 2"}),
        pa.field("step", pa.int32(), metadata={"unit": "agent steps", "meaning": "within the stretch"}),
        pa.field("reward", pa.float64(), metadata={"unit": "reward", "meaning": "on the way here, as it is learned"}),
        pa.field("discount", pa.float64(), metadata={"unit": "1", "meaning": "of what comes after"}),
        pa.field("image", pa.list_(pa.float32()), metadata={"unit": "1", "meaning": "[C, H, W] flat, from 0 to 1"}),
    ]
)


class Played(NamedTuple):
    """Rows of play [N, …], each with what led to it: as agents/losses/prediction.py draws them."""

    obs: np.ndarray  # stacked, as networks see them [N, S * C, H, W]
    action: np.ndarray  # int64; of no meaning where `first`
    reward: np.ndarray
    discount: np.ndarray
    first: np.ndarray


class Seen(NamedTuple):
    """Images [T, C, H, W] from 0 to 1, rewards and discounts [T], from step `start` of the stretch on."""

    start: int
    image: torch.Tensor
    reward: torch.Tensor
    discount: torch.Tensor


class Expected:
    """A latent whose every draw is its mean."""

    def __init__(self, latent: Any):
        self.latent, self.sample = latent, lambda raw, noise: latent.mean(raw)


def play(spec: Spec, agent: Dreamer, steps: int) -> Played:
    """Rows of `steps` steps in one fresh environment, by the rules of the run's evaluations."""
    rules, cpu, number = spec.evaluation, torch.device("cpu"), after(spec)
    stream = make_streams(spec.environment, 1, rules.cap_frames, spec.seed, "evaluation", number)
    rng = generator(spec.seed, "evaluation", number, 1)
    actor = Actor(agent, stream, spec.environment.stack, Constant(rules.epsilon), rng, cpu)
    for network in acting_networks(agent).values():
        network.train(rules.noise)
    rows = [actor.step() for _ in range(steps)]
    _, action, reward, discount, first = map(np.concatenate, list(zip(*rows, strict=True))[:5])
    stacker = Stacker(1, spec.environment.stack, stream.shape, stream.dtype)
    obs = np.concatenate([stacker(row.obs, row.first).copy() for row in rows])
    before = [
        np.concatenate([[start], x[:-1]]).astype(x.dtype) for start, x in ((0, action), (0, reward), (1, discount))
    ]
    return Played(obs, *before, first)


def stretch(first: np.ndarray, reward: np.ndarray, steps: int, context: int) -> slice:
    """The stretch of one episode in which most rewards come after its context, the earliest of such; first, reward [N].

    It has `steps` rows, or as many as the longest episode where that is shorter.
    """
    starts = np.flatnonzero(first)
    bounds = list(zip(starts, [*starts[1:], len(first)], strict=True))
    size = min(steps, max(end - start for start, end in bounds))
    at = [i for start, end in bounds for i in range(start, end - size + 1)]
    best = max(at, key=lambda i: (np.count_nonzero(reward[i + context : i + size]), -i))
    return slice(best, best + size)


def dream(agent: Dreamer, rows: Played, context: int, noise: torch.Generator) -> dict[str, Seen]:
    """Name of a row -> what is seen, decoded or imagined of a stretch of T steps; `noise` for all draws."""
    model, latent, spec = agent.model, agent.model.rssm.latent, agent.spec
    first = torch.from_numpy(rows.first)[:, None].clone()
    first[0] = True
    image = model.image(torch.from_numpy(rows.obs))[:, None]
    action = F.one_hot(torch.from_numpy(rows.action), agent.policy.size).float()[:, None]
    reward = SQUASHED[spec.reward](torch.from_numpy(rows.reward))
    discount = spec.discount * torch.from_numpy(rows.discount)
    found = {"seen": Seen(0, (image[:, 0] + model.offset).clamp(0, 1), reward, discount)}

    def read(start: int, states: State) -> Seen:
        mean, rewards = agent.image.mean(model.decoder(states)) + model.offset, model.rewards(states)
        constant = torch.full_like(rewards, spec.discount)
        discounts = constant if model.discounts is None else model.discounts(states).sigmoid()
        return Seen(start, mean[:, 0].clamp(0, 1), rewards[:, 0], discounts[:, 0])

    with torch.no_grad():
        draws = latent.noise((len(first), 1), noise)
        states, _ = model.rssm.observe(model.embed(image), action, first, model.rssm.initial(1), draws)
        found["decoded"] = read(0, states)
        for name, mind in (("mean", expecting(model.rssm)), ("sample 1", model.rssm), ("sample 2", model.rssm)):
            state, imagined = states.rows(min(context, len(first)) - 1), []
            for t in range(context, len(first)):
                state = mind.step(state, action[t], latent.noise((1,), noise))
                imagined.append(state)
            if imagined:
                found[name] = read(context, State(*map(torch.stack, zip(*imagined, strict=True))))
    return found


def expecting(rssm: Rssm) -> Rssm:
    """The same model, imagining by means."""
    twin = copy.copy(rssm)
    twin.latent = Expected(rssm.latent)
    return twin


def table(found: dict[str, Seen], channels: int) -> pa.Table:
    """Images and numbers as rows of SCHEMA; of a stack the newest image alone, which has so many `channels`."""
    rows = [
        {"row": name, "step": seen.start + i, "reward": float(seen.reward[i]), "discount": float(seen.discount[i]),
         "image": seen.image[i, -channels:].flatten().numpy()}
        for name, seen in found.items() for i in range(len(seen.image))
    ]  # fmt: skip
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def of_run(folder: Path, steps: int, context: int, out: Path) -> None:
    """Write the dream of a finished run, by its folder in the store. SystemExit: it is not whole, or has no model."""
    spec, facts = facts_of(folder)
    if spec.agent.kind != "dreamer":
        raise SystemExit(f"{facts['run']}: agent {spec.agent.kind} has no world model to dream with")
    agent = agent_of(spec, folder)
    rows = play(spec, agent, PLAYED)
    chosen = stretch(rows.first, rows.reward, steps, context)
    rows = Played(*(part[chosen] for part in rows))
    noise = torch.Generator().manual_seed(integer_seed(spec.seed, "evaluation", after(spec), 2))
    found = dream(agent, rows, context, noise)
    about = {key: facts[key] for key in ("run", "digest", "fingerprint", "versions", "frames")}
    stacked, *sides = rows.obs.shape[1:]
    channels = stacked // spec.environment.stack
    about |= {"shape": [channels, *sides], "context": context, "played": PLAYED}
    out.parent.mkdir(parents=True, exist_ok=True)
    write_table(out, table(found, channels), about)


def main(arguments: list[str] | None = None) -> int:
    """Do what the command line asks; -> exit code."""
    parser = argparse.ArgumentParser(prog="python -m agents.dream", description=__doc__)
    parser.add_argument("--run", required=True, type=Path, help="folder of the finished run in the store")
    parser.add_argument("--steps", required=True, type=int, help="of the stretch, in agent steps")
    parser.add_argument("--context", required=True, type=int, help="steps seen before imagining")
    parser.add_argument("--out", required=True, type=Path, help="the Parquet file to write")
    options = parser.parse_args(arguments)
    if not 1 <= options.context < options.steps:
        parser.error(f"--context {options.context} must be at least 1 and below --steps {options.steps}")
    of_run(options.run, options.steps, options.context, options.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
