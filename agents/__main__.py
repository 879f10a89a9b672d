"""`python -m agents train --spec JSON --results DIR`: train one run, or go on with it, and write its outputs.

Exit codes: 0 the outputs are written (a diverged run is a result too), 75 stopped by a signal, with all saved that was
new, 73 the disk did not take the data, 76 another process works on this run or took it over, 78 the spec is wrong.
"""

import argparse
import json
import os
import shutil
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from agents.files import sha256, told
from agents.heartbeat import Heartbeat
from agents.lease import Held, Lease, Lost
from agents.outputs import Product, write_outputs
from agents.record import versions
from agents.spec import Spec, model_of
from agents.spec.base import Identified
from agents.study import perform

PREEMPTED, CANNOT_WRITE, IN_USE, BAD_SPEC = 75, 73, 76, 78


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main(arguments: list[str] | None = None) -> int:
    options = _options(arguments)
    try:
        spec = model_of(json.loads(options.spec)).model_validate_json(options.spec)
    except (ValidationError, json.JSONDecodeError) as error:
        say(f"the spec is wrong:\n{error}")
        return BAD_SPEC
    fingerprint = sha256(options.code.read_bytes()) if options.code else "unknown"
    work = options.results / "work" / spec.name()
    try:
        work.mkdir(parents=True, exist_ok=True)
        lease = Lease(work / "lease.json")
    except Held as why:
        say(f"{spec.name()}: {why}; leaving it alone")
        return IN_USE
    except OSError as error:
        say(f"{spec.name()}: {told(error, work)}")
        return CANNOT_WRITE
    try:
        if isinstance(spec, Spec):
            return _train(spec, fingerprint, work, options, lease)
        return _study(spec, fingerprint, work, options, lease)
    except Lost as why:
        say(f"{spec.name()}: {why}; leaving it alone")
        return IN_USE
    except OSError as error:
        say(f"{spec.name()}: {told(error, work)}")
        return CANNOT_WRITE
    finally:
        lease.release()


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m agents", description=__doc__)
    train = parser.add_subparsers(dest="command", required=True).add_parser("train", help="one run, to the end")
    train.add_argument("--spec", required=True, help="the run's spec as JSON")
    train.add_argument("--results", type=Path, required=True, help="folder with runs/ and work/")
    train.add_argument("--code", type=Path, help="the file whose hash identifies the code (results/code/…/modules.fp)")
    train.add_argument("--accept-code-changes", action="store_true", help="resume a run that other code began")
    train.add_argument("--keep-work", action="store_true", help="save a last checkpoint and keep it")
    train.add_argument(
        "--checkpoint-seconds",
        type=float,
        default=float(os.environ.get("PAPER_ARCADE_CHECKPOINT_SECONDS", "300")),
        help="time between checkpoints; it does not change the results",
    )
    return parser.parse_args(arguments)


def _train(spec: Spec, fingerprint: str, work: Path, options: argparse.Namespace, lease: Lease) -> int:
    name = spec.name()
    stopped: list[int] = []

    def leave(number: int, frame: Any) -> None:
        say(f"{name}: left before it began, after signal {number}")
        lease.release()
        os._exit(PREEMPTED)  # an exception might be swallowed on its way out of imports and compilation

    _on_signals(leave)  # imports, compilation and a large memory may take a minute, and there is nothing to save yet
    # Imported late: a wrong spec or a run in use is reported without waiting for torch.
    from agents.checkpoint import Checkpoints
    from agents.loop import Run, train

    identity = {"digest": spec.digest(), "versions": versions()}
    if not options.accept_code_changes:
        identity["fingerprint"] = fingerprint
    checkpoints = Checkpoints(work / "checkpoints", identity, lambda text: say(f"{name}: {text}"))
    run = Run(spec, checkpoints)
    _on_signals(lambda number, frame: stopped.append(number))  # only a flag, read once per turn
    say(f"{name}: {'resumed' if run.resumes else 'started'} at frame {run.frame:,} of {spec.budget_frames:,}")
    lease.renew()  # before anything is written: that may have taken minutes
    heartbeat = Heartbeat(work / "heartbeat.json", name, spec.budget_frames, run.resumes)
    heartbeat.beat("running", run.frame)
    outcome = train(run, heartbeat, lambda: bool(stopped), lease.renew, options.checkpoint_seconds)
    if outcome.status == "preempted":
        heartbeat.beat("preempted", outcome.frames)
        say(f"{name}: saved at frame {outcome.frames:,} after signal {stopped[0]}")
        return PREEMPTED
    if options.keep_work:
        run.save()
    lease.renew()
    _finish(spec, run.product(outcome), fingerprint, work, options, heartbeat)
    return 0


def _on_signals(do: Callable[[int, Any], object]) -> None:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # nohup asks to live on
            signal.signal(number, do)


def _study(spec: Identified, fingerprint: str, work: Path, options: argparse.Namespace, lease: Lease) -> int:
    heartbeat = Heartbeat(work / "heartbeat.json", spec.name(), spec.budget_frames, 0)

    def tell(done: int) -> None:
        if heartbeat.due():
            lease.renew()
            heartbeat.beat("running", done)

    say(f"{spec.name()}: started")
    tell(0)
    _finish(spec, perform(spec, tell), fingerprint, work, options, heartbeat)
    return 0


def _finish(
    spec: Identified, product: Product, fingerprint: str, work: Path, options: argparse.Namespace, heartbeat: Heartbeat
) -> None:
    name, outcome = spec.name(), product.outcome
    volatile = {"host": socket.gethostname(), "slurm_job": os.environ.get("SLURM_JOB_ID")}
    write_outputs(options.results / "runs" / name, spec, product, fingerprint, volatile)
    heartbeat.beat(outcome.status, outcome.frames)
    if not options.keep_work:
        shutil.rmtree(work, ignore_errors=True)
    say(f"{name}: {outcome.status} at {outcome.frames:,} {spec.clock} after {outcome.seconds:.0f} s")


if __name__ == "__main__":
    sys.exit(main())
