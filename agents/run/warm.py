"""`python agents/run/warm.py train …`: as `python -m agents train …`, but forked from a process that has imported all.

Importing torch is nearly all of what the start of a short training costs. `python -m agents.run.warm SOCKET SLOTS`
imports it once and then only forks: it computes nothing, draws no random number, and has one thread. The client passes
on its arguments, environment, folder and open files, then each signal that it gets, and ends with the training's exit
code.

A training that cannot be forked (a GPU, actors in processes of their own, code edited meanwhile, another thread beside
the one that forks) is started by the client itself, and so is one whose end nobody told: what is finished or still at
work is known by the store and the lease.

The client's half knows the standard library only, and of it little: its start is the cost of a run.
"""

import json
import os
import signal
import socket
import sys
import time
from collections.abc import Callable

SOCKET = "PAPER_ARCADE_WARM"  # the environment variable that says where the warm process listens
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1)
STOPPED = 75  # as agents/__main__.py has it
HEAD = 8  # bytes of a request's length, which come before it


def client(words: list[str]) -> int:
    """Train in a fork of the warm process; -> the exit code. Becomes `python -m agents` where that cannot be."""
    told: list[int] = []
    link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)

    def pass_on(number: int, _: object) -> None:
        told.append(number)
        try:
            link.send(bytes([number]))
        except OSError:
            pass  # it has ended, which the wait below sees

    try:
        link.connect(os.environ[SOCKET])
        request = {"words": words, "environment": dict(os.environ), "folder": os.getcwd()}
        data = json.dumps(request).encode()
        for number in SIGNALS:
            if signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, pass_on)
        socket.send_fds(link, [len(data).to_bytes(HEAD, "big")], [1, 2])
        link.sendall(data)
        answer = link.recv(1)
    except (OSError, KeyError):
        answer = b""
    if answer:
        return answer[0]
    if told:
        return STOPPED
    for number in SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    os.execvp("python", ["python", "-m", "agents", *words])


class Server:
    """The warm process: it listens at `place` until its standard input ends, as it does when who started it is gone;
    then its forks save themselves.

    At most `slots` trainings are at work at once. Clients that come before there is room have their fork already, which
    waits: to fork a process of this size takes as long as hundreds of frames, and no core is idle meanwhile.
    """

    def __init__(self, place: str, slots: int):
        self.slots = slots
        self.ahead: dict[int, tuple[socket.socket, int]] = {}  # forks that wait: client's connection, what lets them go
        self.children: dict[int, tuple[socket.socket, float]] = {}  # those at work: connection, and when it began
        self.forked, self.busy = 0, 0.0  # trainings that ended, and their seconds by the clock
        self.first = self.last = time.monotonic()  # when the first one began and the last one ended
        self.waiting = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.waiting.bind(place)
        self.waiting.listen(512)  # clients may come while this process still imports

    def warm_up(self) -> None:
        from agents.run.code import ROOT, Code

        self.root, self.code = ROOT, Code(ROOT)
        self.seen = self._files()  # before what trains is imported
        self._import([])

    def _files(self) -> dict[str, tuple[int, int, int]]:
        """Inode, size and time of each module that a training may run."""
        found = {str(path): path.stat() for path in (self.root / "agents").rglob("*.py")}
        return {path: (at.st_ino, at.st_size, at.st_mtime_ns) for path, at in found.items()}

    def _import(self, components: list[str]) -> None:
        """What a run needs, and the compiled code that was kept of it. Nothing is run."""
        from importlib import import_module

        for name in ("agents.__main__", "agents.run.loop", "agents.run.heartbeat", "agents.run.outputs", *components):
            import_module(name.partition(":")[0])
        if "agents.compiled.q_learning" in sys.modules:
            _load_compiled()

    def serve(self) -> None:
        import selectors

        wake, alarm = os.pipe()
        os.set_blocking(alarm, False)
        signal.set_wakeup_fd(alarm, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for number in SIGNALS:  # meant for the trainings; this process ends with who started it
            signal.signal(number, signal.SIG_IGN)
        with selectors.DefaultSelector() as ready:
            ready.register(wake, selectors.EVENT_READ, lambda: (os.read(wake, 4096), self._collect(ready)))
            ready.register(0, selectors.EVENT_READ, lambda: os.read(0, 4096) or self._close(ready))
            ready.register(self.waiting, selectors.EVENT_READ, lambda: self._ask(ready))
            while self.waiting.fileno() >= 0 or self.children or self.ahead:
                for key, _ in ready.select():
                    if ready.get_map().get(key.fd) is key:  # not one that another event just ended
                        key.data()

    def _close(self, ready) -> None:
        ready.unregister(0)
        ready.unregister(self.waiting)
        self.waiting.close()
        for child in (*self.ahead, *self.children):
            os.kill(child, signal.SIGTERM)

    def _ask(self, ready) -> None:
        """Take a client's request in, and have a fork wait for room."""
        link, _ = self.waiting.accept()
        files: list[int] = []
        try:
            link.settimeout(30.0)
            head, files, _, _ = socket.recv_fds(link, HEAD, 2)
            data, size = b"", int.from_bytes(head, "big")
            while len(data) < size and (part := link.recv(size - len(data))):  # signals may come behind it
                data += part
            request = json.loads(data)
            able = self._able(request["words"])
        except Exception as error:  # whatever it is, the training's own start says it better
            able = False
            print(f"warm: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
        if able:
            link.settimeout(None)
            self._fork(ready, request, files, link)
            self._begin()
        else:  # the client then starts its training itself
            link.close()
        for file in files:
            os.close(file)

    def _fork(self, ready, request: dict, files: list[int], link: socket.socket) -> None:
        held, go = os.pipe()
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # one that comes before the fork heeds it is not lost
        child = os.fork()
        if child == 0:
            os.close(go)
            self._train(request, files, held)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        os.close(held)
        self.ahead[child] = link, go
        ready.register(link, 1, lambda: self._signal(ready, child, link))  # 1: EVENT_READ

    def _begin(self) -> None:
        """Let go of the forks that wait, in their order, as long as there is room."""
        while self.ahead and len(self.children) < self.slots and self.waiting.fileno() >= 0:
            child = next(iter(self.ahead))
            link, go = self.ahead.pop(child)
            now = time.monotonic()
            self.first = self.first if self.forked or self.children else now
            self.children[child] = link, now
            try:
                os.write(go, b"1")
            except BrokenPipeError:
                pass  # it was killed, as `_collect` will see
            os.close(go)

    def _able(self, words: list[str]) -> bool:
        """Whether a fork trains what these words ask for as a process of its own would."""
        from agents.__main__ import _options
        from agents.run.code import roots
        from agents.spec.run import Spec, model_of

        text = _options(words).spec
        spec = model_of(json.loads(text)).model_validate_json(text)
        if isinstance(spec, Spec) and not (spec.device == "cpu" and spec.executor.kind == "inline"):
            return False
        self._import(list(spec.components()))
        self.code.text(roots(spec.driver, spec.components()))  # read once, not in each fork
        return self._files() == self.seen and len(os.listdir("/proc/self/task")) == 1

    def _train(self, request: dict, files: list[int], held: int) -> None:
        """The fork: a process as `python -m agents` is one, once it is let go. Its connection stays open for as long as
        it lives. Signals end it while it waits, and so does the end of who would let it go.
        """
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            for number in (*SIGNALS, signal.SIGCHLD):
                signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
            self.waiting.close()
            for link, go in self.ahead.values():
                link.close()
                os.close(go)
            for link, _ in self.children.values():
                link.close()
            nothing = os.open(os.devnull, os.O_RDONLY)
            for old, new in zip((nothing, *files), (0, 1, 2), strict=True):
                os.dup2(old, new)
                os.close(old)
            os.environ.clear()
            os.environ.update(request["environment"])
            os.chdir(request["folder"])
            from agents.__main__ import main

            code = main(request["words"], self.code) if os.read(held, 1) else STOPPED
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def _signal(self, ready, child: int, link: socket.socket) -> None:
        """Pass signals on. A client that is gone, killed for one, takes its training with it, which saves itself."""
        try:
            numbers = link.recv(64)
        except OSError:
            numbers = b""
        if not numbers:
            ready.unregister(link)
        for number in numbers or bytes([signal.SIGTERM]):
            os.kill(child, number)  # a zombie until `_collect`: its number is nobody else's

    def _collect(self, ready) -> None:
        """Tell the clients of trainings that have ended how."""
        while self.children or self.ahead:
            child, status = os.waitpid(-1, os.WNOHANG)
            if not child:
                return
            if child in self.children:
                link, began = self.children.pop(child)
                code = os.waitstatus_to_exitcode(status)
                self.last = time.monotonic()
                self.forked, self.busy = self.forked + 1, self.busy + self.last - began
            else:  # nothing was begun
                link, go = self.ahead.pop(child)
                os.close(go)
                code = STOPPED
            self._begin()
            if link in ready.get_map():
                ready.unregister(link)
            try:
                link.send(bytes([code if code >= 0 else 128 - code]))
            except OSError:
                pass
            link.close()


def _load_compiled() -> None:
    """Load what numba kept of the compiled functions, which it would otherwise do at each one's first call."""
    from numba.core.dispatcher import Dispatcher

    for name in [name for name in sys.modules if name.startswith("agents.compiled.")]:
        for function in vars(sys.modules[name]).values():
            if isinstance(function, Dispatcher) and not function.signatures:
                kept = getattr(function._cache, "_cache_file", None)
                for key in kept._load_index() if kept else ():
                    function.compile(key[0])


def main(words: list[str]) -> int:
    import resource

    server = Server(words[0], int(words[1]))
    print("listening", flush=True)
    server.warm_up()
    server.serve()
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    account = {"trainings": server.forked, "seconds": server.busy, "cpu": spent.ru_utime + spent.ru_stime}
    account |= {"first": server.first, "last": server.last}  # by CLOCK_MONOTONIC, which processes share
    print(json.dumps(account), flush=True)
    return 0


_start: Callable[[list[str]], int] = main if __package__ else client  # by -m, or as a file

if __name__ == "__main__":
    sys.exit(_start(sys.argv[1:]))
