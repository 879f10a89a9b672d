"""The learner's side of distributed actors: their chunks, handed to the loop row by row.

Rows come in lock step: chunk k of every actor, then chunk k + 1 of every actor. An actor that is ahead waits when its
slots are full, the learner waits for the slowest. So the memory stays a grid of rows by streams, learning keeps to its
clock of frames (the replay ratio is the config's, not the machine's), and policies are at most `slots` chunks and
`pull_every_steps` old.

A run can be taken up again, not to the bit: actors then start fresh episodes, and chunks on their way are played anew.
"""

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from agents.agent import Agent
from agents.executors.actors.chunks import step_at
from agents.step import Episode, Step


class Source(Protocol):
    """Where chunks come from. `version` counts updates."""

    agent: Agent
    version: int

    def take(self, seconds: float, frame: int) -> Mapping[str, np.ndarray] | None: ...


class Rows:
    """In place of an Actor: `step` gives the next row of all streams, actor after actor."""

    def __init__(self, source: Source, streams: int, repeat: int):
        self.source, self.repeat = source, repeat
        self.frames = 0
        self.incarnations = np.zeros(streams, np.int64)  # of each stream's actor, at the newest row handed out
        self.episodes: list[Episode] = []
        self.chunk: Mapping[str, np.ndarray] | None = None
        self.row = 0  # of the chunk, to be handed out next
        self.seconds = np.zeros(streams)  # that each stream's actor spent on rows handed out since the start
        self.moved = np.zeros(streams, np.int64)  # frames of each stream since the start
        self._lag = self._rows = 0  # since the last reading
        self._read = (0, 0.0)  # sums of moved and seconds at the last reading

    def ready(self, seconds: float) -> bool:
        """Whether a row can be had now, after waiting for up to `seconds`."""
        if self.chunk is None or self.row == len(self.chunk["action"]):
            self.chunk, self.row = self.source.take(seconds, self.frames), 0
        return self.chunk is not None

    def lost(self) -> np.ndarray:
        """Numbers of the streams whose next row does not follow their previous one."""
        while not self.ready(1.0):
            pass
        incarnations = self.chunk["incarnation"][self.row]
        lost = np.flatnonzero(incarnations != self.incarnations)
        self.incarnations = incarnations.copy()
        return lost

    def step(self) -> Step:
        while not self.ready(1.0):
            pass
        chunk, row = self.chunk, self.row
        step = step_at(chunk, row)
        moved = self.repeat * ~step.last
        self.frames += int(moved.sum())
        self.moved += moved
        self.seconds += chunk["seconds"][row]
        for i in np.flatnonzero(chunk["length"][row]):
            score, length, truncated = (chunk[name][row, i] for name in ("score", "length", "truncated"))
            self.episodes.append(Episode(int(i), float(score), int(length), bool(truncated)))
        self._lag += self.source.version - chunk["version"][row].mean()
        self._rows += 1
        self.row += 1
        return step

    def current(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """obs [B, …], first and last [B] of the next row; empty when it is not in this chunk."""
        next_row = slice(self.row, self.row + 1)
        found = [self.chunk[name][next_row] for name in ("obs", "first", "last")]
        return tuple(field[0] if len(field) else field for field in found)

    def take(self) -> list[Episode]:
        """The episodes finished since the last call."""
        taken, self.episodes = self.episodes, []
        return taken

    def readings(self, actors: int) -> dict[str, float]:
        """Means since the last call: frames per second of an actor, and the updates between the parameters that acted
        and those there are when a row is handed out.

        Of agents that keep the version with their rows the learner says that, as of the update.
        """
        frames, seconds = self._read
        self._read = int(self.moved.sum()), float(self.seconds.sum())
        played = (self._read[1] - seconds) * actors / len(self.moved)  # an actor's streams share its seconds
        found = {"actor_frames_per_second": (self._read[0] - frames) / played}
        if "version" not in self.source.agent.sequence_spec.extras:
            found["policy_lag"] = self._lag / self._rows
        self._lag = self._rows = 0
        return found

    def speeds(self, actors: int) -> dict[str, list[float | None]]:
        """Frames per second of each actor while it was playing, without its waiting for slots."""
        frames, seconds = self.moved.reshape(actors, -1).sum(1), self.seconds.reshape(actors, -1)[:, 0]
        pairs = zip(frames.tolist(), seconds.tolist(), strict=True)
        return {"actor_frames_per_second": [f / s if s else None for f, s in pairs]}

    def state_dict(self) -> dict[str, Any]:
        return {"frames": self.frames, "incarnations": self.incarnations.copy()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.frames, self.incarnations = state["frames"], state["incarnations"]
