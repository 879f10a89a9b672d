"""`python -m agents.executors.process`: one actor process; started by agents/executors/pool.py, never by hand."""

import argparse
import ctypes
import os
import signal
import sys

DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG


def main() -> None:
    options = _options()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
        signal.signal(number, signal.SIG_IGN)  # clusters and terminals signal all processes; the learner decides
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(DIE_WITH_PARENT, signal.SIGKILL)  # for the moments when no pipe is read
    if os.getppid() != options.parent:
        return

    # Imported late: from here on the process ends with its learner, also while it imports torch.
    from agents.arithmetic import settle
    from agents.spec import Spec
    from agents.spec.base import load

    settle(1)
    spec = Spec.model_validate_json(options.spec)
    load(spec.executor.worker)(spec, options)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m agents.executors.process", description=__doc__)
    parser.add_argument("--spec", required=True, help="the run's spec as JSON")
    for name, meaning in (
        ("number", "of the actor"),
        ("incarnation", "how often it was started before"),
        ("chunk", "number of the first piece of work"),
        ("memory", "file descriptor of the shared memory"),
        ("free", "file descriptor to read a byte from for each piece of work to do"),
        ("full", "file descriptor to tell of each piece that is done"),
        ("parent", "process id of who started it"),
    ):
        parser.add_argument(f"--{name}", type=int, required=True, help=meaning)
    return parser.parse_args()


if __name__ == "__main__":
    main()
