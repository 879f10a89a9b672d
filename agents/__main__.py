"""`python -m agents train --spec JSON --results DIR`: train one run, or go on with it, and seal what it leaves.

A result that is sealed already (agents/run/store.py) is shown again and nothing is trained. A run that another process
trains is waited for.

Exit codes: 0 the result is sealed (a diverged run is a result too), 75 stopped by a signal, with all saved that was
new, 73 the results cannot be written, 76 another process still works on this run or took it over, 77 the code is no
longer the one that this run was planned with, 78 the spec is wrong.
"""

import argparse
import json
import os
import shutil
import signal
import socket
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Any

from pydantic import ValidationError

from agents.run import attempts, gpu
from agents.run import store as sealed
from agents.run.attempts import Attempts
from agents.run.code import ROOT, Code, fingerprint, roots
from agents.run.files import told
from agents.run.lease import Held, Lease, Lost
from agents.run.store import Store
from agents.spec.base import Identified
from agents.spec.run import Spec, model_of

PREEMPTED, CANNOT_WRITE, IN_USE, OTHER_CODE, BAD_SPEC = 75, 73, 76, 77, 78


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main(arguments: list[str] | None = None, code: Code | None = None) -> int:
    """Do what the command line asks; -> exit code. `code`: this checkout's, where it was read already."""
    options = _options(arguments)
    try:
        spec = model_of(json.loads(options.spec)).model_validate_json(options.spec)
    except (ValidationError, json.JSONDecodeError) as error:
        say(f"the spec is wrong:\n{error}")
        return BAD_SPEC
    return Training(spec, options, code).run()


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m agents", description=__doc__)
    train = parser.add_subparsers(dest="command", required=True).add_parser("train", help="one run, to the end")
    train.add_argument("--spec", required=True, help="the run's spec as JSON")
    train.add_argument("--results", type=Path, required=True, help="folder with store/, runs/ and work/")
    train.add_argument("--code", default="", help="beginning of the fingerprint of the code it was planned with")
    train.add_argument("--accept-code-changes", action="store_true", help="resume a run that other code began")
    train.add_argument("--keep-work", action="store_true", help="save a last checkpoint and keep it")
    train.add_argument(
        "--checkpoint-seconds",
        type=float,
        default=float(os.environ.get("PAPER_ARCADE_CHECKPOINT_SECONDS", "300")),
        help="time between checkpoints; it does not change the results",
    )
    train.add_argument(
        "--wait-seconds",
        type=float,
        default=float(os.environ.get("PAPER_ARCADE_WAIT_SECONDS", "86400")),
        help="how long to wait for another process that trains this run",
    )
    return parser.parse_args(arguments)


class Training:
    """One call of the command: the run, where its results lie, and the signals that it got."""

    def __init__(self, spec: Identified, options: argparse.Namespace, code: Code | None = None):
        self.spec, self.options, self.name = spec, options, spec.name()
        self.store = Store(options.results)
        self.work = options.results / "work" / self.name
        self.code = (code or Code(ROOT)).text(roots(spec.driver, spec.components()))
        self.stopped: list[int] = []
        self.lease: Lease | None = None
        self.attempts: Attempts | None = None

    def say(self, text: str) -> None:
        say(f"{self.name}: {text}")

    def run(self) -> int:
        """Show the sealed result, or make it. -> exit code."""
        _on_signals(self._leave)
        try:
            if self._show():
                if not self.options.keep_work:
                    attempts.clear(self.work)
                return 0
            if not fingerprint(self.code).startswith(self.options.code):
                self.say(f"the code was edited after this run was planned (with {self.options.code}): start again")
                return OTHER_CODE
            return self._train()
        except (Lost, OSError) as error:
            if self.lease is None or self.lease.is_mine():
                self.say(told(error, self.work) if isinstance(error, OSError) else str(error))
                return CANNOT_WRITE
            if self._show():  # the one that took it over has finished it
                return 0
            self.say("another process took this run over; leaving it alone")
            return IN_USE
        finally:
            if self.lease:
                self.lease.release()

    def _show(self) -> bool:
        """Whether a sealed result of the planned code is there and whole, which is shown again."""
        folder = self.store.folder(self.spec.digest(), self.options.code or fingerprint(self.code))
        wrong = sealed.problem(folder, thorough=True)
        if wrong is None:
            self.store.show(sealed.read(folder))
            self.say(f"was finished before; {folder} is whole and nothing is trained")
        elif folder.exists():
            self.say(f"the sealed result in {folder} is not used: {wrong}")
        return wrong is None

    def _train(self) -> int:
        self.lease = self._take()
        if self.lease is None:
            self.say("another process still works on this run; leaving it alone")
            return IN_USE
        if self._show():  # the one that was waited for finished it
            if not self.options.keep_work:
                shutil.rmtree(self.work, ignore_errors=True)
            return 0
        self.attempts = Attempts(self.work)
        with self.attempts:
            return self._loop(self.spec) if isinstance(self.spec, Spec) else self._study()

    def _take(self) -> Lease | None:
        """The run's lease, or None if others hold it for too long and do not finish the run."""
        until, told_whom = time.monotonic() + self.options.wait_seconds, ""
        while True:
            try:
                self.work.mkdir(parents=True, exist_ok=True)
                return Lease(self.work / "lease.json")
            except FileNotFoundError:  # the one that finished it just removed the folder
                continue
            except Held as why:
                if why.owner != told_whom:
                    self.say(f"{why}; waiting for it")
                    told_whom = why.owner
                if time.monotonic() >= until:
                    return None
                time.sleep(1.0)

    def _leave(self, number: int, frame: FrameType | None) -> None:
        """Before training there is nothing to save: imports, compilation, a large memory, waiting for others."""
        self.say(f"left before it began, after signal {number}")
        if self.attempts:
            self.attempts.end("left")
        if self.lease:
            self.lease.release()
        os._exit(PREEMPTED)  # an exception might be swallowed on its way out of imports and compilation

    def _loop(self, spec: Spec) -> int:
        if spec.device == "cuda":
            gpu.claim()  # before torch looks for one
        # Imported late: a wrong spec, a sealed result or a run in use is told without waiting for torch.
        from agents.run.checkpoint import Checkpoints
        from agents.run.heartbeat import Heartbeat
        from agents.run.loop import Run, train
        from agents.run.record import versions

        identity = {"digest": spec.digest(), "versions": versions()}
        if not self.options.accept_code_changes:
            identity["fingerprint"] = fingerprint(self.code)
        assert self.lease is not None
        checkpoints = Checkpoints(self.work / "checkpoints", identity, self.say, self.lease.renew)
        run = Run(spec, checkpoints)
        _on_signals(lambda number, frame: self.stopped.append(number))  # only a flag, read once per turn
        self.say(f"{'resumed' if run.resumes else 'started'} at frame {run.frame:,} of {spec.budget_frames:,}")
        heartbeat = Heartbeat(self.work / "heartbeat.json", self.name, spec.budget_frames, run.resumes)
        self.lease.renew()  # others may have taken the run over while this process was held up
        heartbeat.beat("running", run.frame)
        outcome = train(run, heartbeat, lambda: bool(self.stopped), self.lease.renew, self.options.checkpoint_seconds)
        if outcome.status == "preempted":
            heartbeat.beat("preempted", outcome.frames)
            self.say(f"saved at frame {outcome.frames:,} after signal {self.stopped[0]}")
            return PREEMPTED
        if self.options.keep_work:
            run.save()
        self._finish(run.product(outcome), heartbeat)
        return 0

    def _study(self) -> int:
        from agents.run.heartbeat import Heartbeat
        from agents.run.offline import perform

        assert self.lease is not None
        lease, spec = self.lease, self.spec
        heartbeat = Heartbeat(self.work / "heartbeat.json", self.name, spec.budget_frames, 0)

        def tell(done: int) -> None:
            if heartbeat.due():
                lease.renew()
                heartbeat.beat("running", done)

        self.say("started")
        tell(0)
        self._finish(perform(spec, tell), heartbeat)
        return 0

    def _finish(self, product: Any, heartbeat: Any) -> None:
        """Seal the result: from here on it is never trained again."""
        from agents.run.outputs import write_outputs

        outcome, spec = product.outcome, self.spec
        volatile = {"host": socket.gethostname(), "slurm_job": os.environ.get("SLURM_JOB_ID")}
        assert self.lease is not None
        self.lease.renew()
        folder = self.store.seal(
            self.name,
            spec.digest(),
            fingerprint(self.code),
            lambda part: write_outputs(part, spec, product, self.code, volatile),
        )
        self.store.show(sealed.read(folder))
        heartbeat.beat(outcome.status, outcome.frames)
        if not self.options.keep_work:
            self.lease.renew()
            shutil.rmtree(self.work, ignore_errors=True)
        self.say(f"{outcome.status} at {outcome.frames:,} {spec.clock} after {outcome.seconds:.0f} s")


def _on_signals(do: Any) -> None:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # nohup asks to live on
            signal.signal(number, do)


if __name__ == "__main__":
    sys.exit(main())
