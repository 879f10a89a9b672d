"""What a distributed actor does, whatever carries its rows: play with parameters that are fetched now and then."""

import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import torch

from agents.acting.actor import Actor
from agents.acting.exploration import share
from agents.agent import Agent, acting_state, load_acting
from agents.build import acting
from agents.envs.stream import EpisodeStatistics
from agents.executors.actors.chunks import Layout, chunk_layout, write_step
from agents.rng import generator
from agents.spec.run import Spec

Newest = Callable[[int], tuple[int, Mapping[str, np.ndarray]] | None]  # my version -> a newer one and its parameters


class RolloutWorker:
    """Actor `number` in its incarnation `incarnation` (0 at first). It acts on the CPU, on its share of the streams.

    Incarnations share no random numbers; so an actor that is started anew plays other games than before.
    """

    def __init__(self, spec: Spec, number: int, incarnation: int):
        self.spec, self.incarnation, self.version = spec, incarnation, 0
        total, device = spec.environment.streams, torch.device("cpu")
        streams = total // spec.executor.actors
        stream, self.agent, _ = acting(
            spec, streams, device, lambda network: Never(list(network.parameters())), number, incarnation
        )
        epsilon = spec.exploration.make(total, generator(spec.seed, "epsilon"))
        mine = slice(number * streams, (number + 1) * streams)
        whole = EpisodeStatistics(total, spec.environment.repeat)  # stands for all actors: its frames are the run's

        def own(_: EpisodeStatistics) -> float | np.ndarray:
            whole.frames = self.frame
            return share(epsilon(whole), mine)

        rng = generator(spec.seed, "exploration", number, incarnation)
        self.actor = Actor(self.agent, stream, spec.environment.stack, own, rng, device)
        self.frame = 0  # of the whole run, as the learner last said
        self.steps = 0

    @property
    def layout(self) -> Layout:
        """Of a chunk of this actor's streams."""
        stream = self.actor.stream
        return chunk_layout(self.spec.executor.chunk_steps, len(stream), stream.obs, self.agent.sequence_spec)

    def rollout(self, chunk: Mapping[str, np.ndarray], frame: int, newest: Newest) -> None:
        """Fill a chunk [T, B]; `frame` of the run sets what is annealed."""
        self.frame = frame
        for name in ("score", "length", "truncated"):  # memory is used again and again
            chunk[name][:] = 0
        chunk["incarnation"][:] = self.incarnation
        for row in range(len(chunk["action"])):
            started = time.perf_counter()
            if self.steps % self.spec.executor.pull_every_steps == 0 and (found := newest(self.version)):
                self.version = found[0]
                load_acting(self.agent, {name: torch.from_numpy(array) for name, array in found[1].items()})
            step = self.actor.step()
            if "version" in self.agent.sequence_spec.extras:
                version = np.full(len(step.action), self.version)
                step = step._replace(extras={**step.extras, "version": version})
            write_step(chunk, row, step)
            for episode in self.actor.take():
                for name in ("score", "length", "truncated"):
                    chunk[name][row, episode.env] = getattr(episode, name)
            chunk["version"][row] = self.version
            chunk["seconds"][row] = time.perf_counter() - started
            self.steps += 1


def parameters(agent: Agent) -> dict[str, np.ndarray]:
    """Everything an actor needs of the networks that act, buffers too: noise and norms travel with the weights."""
    return {name: tensor.detach().cpu().numpy() for name, tensor in acting_state(agent).items()}


class Never(NamedTuple):
    """In place of a gradient step: an actor does not learn."""

    parameters: list[torch.nn.Parameter]
