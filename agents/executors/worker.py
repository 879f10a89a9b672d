"""`python -m agents.executors.worker`: one actor process; started by agents/executors/processes.py, never by hand.

It plays while it is given slots, and leaves when its learner is gone.
"""

import argparse
import ctypes
import os
import signal
import sys

DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG


def main() -> None:
    options = _options()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
        signal.signal(number, signal.SIG_IGN)  # a cluster signals all processes of a job; the learner decides
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(DIE_WITH_PARENT, signal.SIGKILL)  # for the moments when no pipe is read
    if os.getppid() != options.parent:
        return

    # Imported late: from here on the process ends with its learner, also while it imports torch.
    import torch

    from agents.executors.player import Player
    from agents.executors.shared import Shared
    from agents.spec import Spec

    spec = Spec.model_validate_json(options.spec)
    torch.set_num_threads(1)
    player = Player(spec, options.number, options.life)
    shared = Shared(spec, player.agent, player.actor.stream.obs, options.memory)
    streams = len(player.actor.stream)
    mine, chunk = slice(options.number * streams, (options.number + 1) * streams), options.chunk
    while os.read(options.free, 1):  # a byte for each slot that may be filled; none at all: the learner is gone
        slot = shared.slot(chunk)
        player.play({name: array[:, mine] for name, array in slot.items()}, int(shared.frame[0]), shared.newest)
        try:
            os.write(options.full, b".")
        except BrokenPipeError:
            return
        chunk += 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m agents.executors.worker", description=__doc__)
    parser.add_argument("--spec", required=True, help="the run's spec as JSON")
    for name, meaning in (
        ("number", "of the actor"),
        ("life", "how often it was started before"),
        ("chunk", "the first one to play"),
        ("memory", "file descriptor of the shared memory"),
        ("free", "file descriptor to read a byte from for each slot that may be filled"),
        ("full", "file descriptor to write a byte to for each slot that is"),
        ("parent", "process id of the learner"),
    ):
        parser.add_argument(f"--{name}", type=int, required=True, help=meaning)
    return parser.parse_args()


if __name__ == "__main__":
    main()
