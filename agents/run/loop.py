"""The loop: act and learn, as the executor does it (agents/executors/); evaluate, record, save on clocks.

All clocks count environment frames. Whatever stops the process, the next start goes on from the newest
checkpoint and ends with the same bytes: nothing in here depends on when it was interrupted.
"""

import math
import time
from collections.abc import Callable

import pyarrow as pa

from agents.agent import acting_state
from agents.arithmetic import settle
from agents.build import Parts, build
from agents.clock import ticks
from agents.run.checkpoint import Checkpoints
from agents.run.evaluate import evaluate, trial
from agents.run.files import sha256
from agents.run.heartbeat import Heartbeat
from agents.run.outputs import Outcome, Product
from agents.run.record import LOGGED, Recorder
from agents.run.summary import summarise
from agents.spec.run import Spec


class Run:
    """One training run: its parts, its log, and how far it has come."""

    def __init__(self, spec: Spec, checkpoints: Checkpoints):
        self.spec, self.checkpoints = spec, checkpoints
        self.parts: Parts = build(spec)
        self.recorder = Recorder()
        self.evaluated = 0  # evaluations done
        self.read = (0, 0)  # frame and updates of the newest reading
        self.resumes = 0
        self.seconds = 0.0
        self._saved_rows = 0  # replay rows that checkpoints hold
        saved = checkpoints.load()
        if saved:
            store = self.parts.memory.store
            for first, rows in saved.segments:
                store.insert(first, rows)
            self.parts.load_state_dict(saved.state["parts"])
            self.evaluated, self.read = saved.state["evaluated"], saved.state["read"]
            self.seconds = saved.state["seconds"]
            self.resumes = saved.state["resumes"] + 1
            self._saved_rows = store.count

    @property
    def frame(self) -> int:
        return self.parts.actor.frames

    def save(self) -> None:
        """Commit everything up to now. Raises OSError when the disk does not take it."""
        store = self.parts.memory.store
        oldest = max(0, store.count - store.rows)
        first = max(self._saved_rows, oldest)
        state = {
            "parts": self.parts.state_dict(),
            "frame": self.frame,
            "evaluated": self.evaluated,
            "read": self.read,
            "seconds": self.seconds,
            "resumes": self.resumes,
        }
        self.checkpoints.save(state, self.recorder.tables(), store.pieces(first, store.count), oldest)
        self.recorder.clear()
        self._saved_rows = store.count

    def iterate(self, wait: float = 1.0) -> bool:
        """Some acting and the learning that goes with it, as the executor does it. False when learning diverged.

        Episodes that end after that are not recorded: no network that is not finite has a score.
        """
        learner, before = self.parts.learner, self.frame
        self.parts.executor.advance(wait)
        after, episodes = self.frame, self.parts.actor.take()
        sound = not episodes or learner.sound()
        for episode in episodes if sound else ():
            self.recorder.add("episodes", after, episode.env, episode.score, episode.length)
        due = not sound or ticks(before, after, self.spec.record.learning_every_frames)
        if due and learner.updates:
            ratio = {"replay_ratio": self._replay_ratio()}
            readings = joined(learner.read(), self.parts.executor.readings(), ratio)
            for name, value in readings.items():
                self.recorder.add("learning", after, learner.updates, name, value)
            return all(map(math.isfinite, readings.values()))
        return True

    def _replay_ratio(self) -> float:
        """Agent steps learned from for each one made, since the last call (Kapturowski et al. 2019, appendix)."""
        spec, (frame, updates) = self.spec, self.read
        self.read = (self.frame, self.parts.learner.updates)
        learned = (self.read[1] - updates) * spec.learning.batch * spec.agent.learned
        return learned * spec.environment.repeat / (self.read[0] - frame)

    def finite(self) -> bool:
        """Whether the networks are: to be asked before they are scored, since readings may be far between."""
        return self.parts.learner.finite(self.parts.lit)

    def evaluation(self, keep_on: Callable[[], bool]) -> float | None:
        """Do the evaluation that is due; -> its mean return, or None when interrupted."""
        parts, updates = self.parts, self.parts.learner.updates
        episodes = evaluate(self.spec, parts.learner.agent, parts.device, self.evaluated, keep_on)
        if episodes is None:
            return None
        measured: dict[str, float] = {}
        over = self.frame >= self.spec.budget_frames
        for wanted in (each for each in self.spec.evaluation.trials if over or each.always):
            found = trial(self.spec, parts.learner.agent, parts.device, self.evaluated, wanted, keep_on)
            if found is None:
                return None
            measured |= found
        for name, value in measured.items():
            self.recorder.add("learning", self.frame, updates, name, value)
        for i, episode in enumerate(episodes):
            self.recorder.add("evaluations", self.frame, i, episode.score, episode.length, episode.truncated)
        for name, value in parts.probes(self.evaluated).items() if updates else ():
            self.recorder.add("learning", self.frame, updates, name, value)
        self.evaluated += 1
        return sum(e.score for e in episodes) / len(episodes) if episodes else math.nan

    def product(self, outcome: Outcome) -> Product:
        """All that the run leaves behind."""
        fresh = self.recorder.tables()
        tables = {name: pa.concat_tables([*self.checkpoints.history(name), fresh[name]]) for name in LOGGED}
        tables["summary"] = summarise(tables, self.spec)
        learner = self.parts.learner
        state = acting_state(learner.agent)
        parameters = b"".join(state[name].cpu().contiguous().numpy().tobytes() for name in sorted(state))
        facts = {
            "updates": learner.updates,
            "parameters_sha256": sha256(parameters),
            "executor": self.parts.executor.facts(),
        }
        return Product(outcome, tables, facts, state)


def joined(*readings: dict[str, float]) -> dict[str, float]:
    """All readings; each name stands for one quantity, measured in one place. Raises ValueError where it does not."""
    found: dict[str, float] = {}
    for each in readings:
        if twice := sorted(found.keys() & each.keys()):
            raise ValueError(f"measured in two places: {', '.join(twice)}")
        found |= each
    return found


def train(run: Run, heartbeat: Heartbeat, stop: Callable[[], bool], renew: Callable[[], None], every: float) -> Outcome:
    """Train to the budget, saving every `every` seconds; `stop()` asks to save and leave."""
    settle(run.spec.threads)
    try:
        return _train(run, heartbeat, stop, renew, every)
    finally:
        run.parts.executor.close()


def _train(
    run: Run, heartbeat: Heartbeat, stop: Callable[[], bool], renew: Callable[[], None], every: float
) -> Outcome:
    started, before = time.monotonic(), run.seconds
    due = started + every

    def status(name: str) -> Outcome:
        run.seconds = before + time.monotonic() - started
        return Outcome(name, run.frame, run.seconds, run.resumes)

    def alive(state: str) -> None:
        if heartbeat.due():
            renew()
            speed = heartbeat.beat(state, run.frame)
            run.recorder.add("timing", run.frame, before + time.monotonic() - started, speed)

    def keep_on() -> bool:
        alive("evaluating")
        return not stop()

    while True:
        if stop():
            outcome = status("preempted")
            run.save()
            return outcome
        scored = run.frame >= run.evaluated * run.spec.evaluation.every_frames
        ended = run.frame >= run.spec.budget_frames
        if (scored or ended) and not run.finite():
            return status("diverged")
        if scored:
            score = run.evaluation(keep_on)
            if score is not None:
                heartbeat.score = score
            continue
        if ended:
            return status("finished")
        if time.monotonic() >= due:
            status("running")
            run.save()
            due = time.monotonic() + every
        alive("running")
        if not run.iterate():
            return status("diverged")
