"""`python -m agents.executors.nursery`: the process whose forks actors are; started by agents/executors/pool.py.

Importing torch takes seconds and a hundred megabytes, which all actors of a run so spend once. This process computes
nothing, draws no random number and has one thread: its forks begin as processes of their own would. It ends with its
learner, and they with it.
"""

import argparse
import contextlib
import ctypes
import json
import os
import select
import signal
import socket
import sys
import traceback
from typing import NamedTuple

DEAF = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1)  # sent to all processes; the learner decides
DIE_WITH_PARENT, NAME = 1, 15  # PR_SET_PDEATHSIG, PR_SET_NAME
HEAD = 8  # bytes of a request's length, which come before it
FILES = 3  # that come with it: those of Post


class Post(NamedTuple):
    """What an actor is told when it starts."""

    number: int  # of the actor
    incarnation: int  # how often it was started before
    chunk: int  # number of the first piece of work
    memory: int  # file descriptor of the shared memory
    free: int  # file descriptor to read a byte from for each piece of work to do
    full: int  # file descriptor to tell of each piece that is done


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m agents.executors.nursery", description=__doc__)
    parser.add_argument("--link", type=int, required=True, help="file descriptor of the socket that requests come by")
    parser.add_argument("--parent", type=int, required=True, help="process id of who started it")
    options = parser.parse_args()
    for number in DEAF:
        signal.signal(number, signal.SIG_IGN)
    if not die_with(options.parent):
        return
    import agents.build
    import agents.spec.run  # noqa: F401

    serve(socket.socket(fileno=options.link))


def die_with(parent: int) -> bool:
    """Be killed when the parent ends, for the moments when no pipe is read; -> whether it is still there."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(DIE_WITH_PARENT, signal.SIGKILL)
    return os.getppid() == parent


def serve(link: socket.socket) -> None:
    """Fork and kill as requests ask, and tell how forks end, until the other end of the link is closed.

    A request is {"fork": its number, "spec", "post"} or {"kill": number}; an answer is a line, [number, exit status].
    """
    wake, alarm = os.pipe()
    os.set_blocking(alarm, False)
    signal.set_wakeup_fd(alarm, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    forks: dict[int, int] = {}  # process id -> the fork's number
    while True:
        ready, _, _ = select.select([wake, link], [], [])
        if wake in ready:
            os.read(wake, 4096)
            while forks and (ended := os.waitpid(-1, os.WNOHANG))[0]:
                link.sendall(b"[%d, %d]\n" % (forks.pop(ended[0]), os.waitstatus_to_exitcode(ended[1])))
        if link in ready:
            head, files, _, _ = socket.recv_fds(link, HEAD, FILES, socket.MSG_WAITALL)
            if not head:
                return
            request = json.loads(link.recv(int.from_bytes(head, "big"), socket.MSG_WAITALL))
            if "kill" in request:
                for child in (pid for pid, number in forks.items() if number == request["kill"]):
                    os.kill(child, signal.SIGKILL)  # not reaped yet, so that the number is still its own
                continue
            parent, child = os.getpid(), os.fork()
            if not child:
                _be_an_actor(parent, request, files, [wake, alarm, link.detach()])
            forks[child] = request["fork"]
            for file in files:
                os.close(file)


def _be_an_actor(parent: int, request: dict, files: list[int], others: list[int]) -> None:
    """The fork: it closes what is not its own, works, and ends."""
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for file in others:
            os.close(file)
        if die_with(parent):
            post = Post(*request["post"], *files)
            if sys.platform == "linux":
                ctypes.CDLL(None).prctl(NAME, b"actor %d" % post.number)
            work(request["spec"], post)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):  # nobody may read what it says any more
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def work(spec: str, post: Post) -> None:
    """What the actor does; `spec` is the run's, as JSON."""
    from agents.arithmetic import settle
    from agents.spec.base import load
    from agents.spec.run import Spec

    settle(1)
    run = Spec.model_validate_json(spec)
    load(run.executor.worker)(run, post)


if __name__ == "__main__":
    main()
