"""`python -m workflow.pilot FOLDER INDEX`: one allocation that trains what the store lacks of its slice.

Snakemake's own local executor does it, with a warm process beside it from which trainings are forked
(agents/run/warm.py). Slices share no run, so pilots need no lock and one's end is nobody else's trouble.

USR1, which SLURM sends before the time limit, and TERM, of scancel and of preemption, let all trainings save
themselves. After USR1 the job is queued again, for as long as it gets on. Snakemake is started again, too, where it was
killed or where runs failed, until three starts in a row got nothing done.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from agents.run.attempts import saved
from agents.run.store import CODE_DIGITS, Store, problem
from workflow import keeper, pilots
from workflow.environment import config_words
from workflow.pilots import Item
from workflow.training import SLICE

WARM = "PAPER_ARCADE_WARM"  # as agents/run/warm.py reads it
IN_VAIN = 3  # starts of Snakemake in a row that got nothing done
WORDS = 1_000_000  # bytes of targets on a command line; the rest comes with the next start
DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of prctl(2): what a process gets when its parent ends
STOPS = (signal.SIGUSR1, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Pilot:
    """One start of one pilot."""

    def __init__(self, folder: Path, index: int):
        self.folder, self.index, self.head = folder, index, pilots.read(folder)
        self.results, self.slice = Path(self.head["results"]), pilots.slice_of(folder, index)
        self.store, self.stopped, self.warm = Store(self.results), [], None
        self.finished: set[str] = set()
        self.began = time.monotonic()

    def say(self, words: str) -> None:
        print(f"pilot {self.index}: {words}", flush=True)

    def left(self) -> list[Item]:
        """What the store lacks of the slice, longest first. A result that was whole is not looked at again."""
        rest = [item for item in self.slice if item.run not in self.finished]
        found = [item for item in rest if problem(self.store.folder(item.digest, item.code)) is not None]
        self.finished |= {item.run for item in rest} - {item.run for item in found}
        return found

    def got(self) -> tuple[int, dict[str, int | None]]:
        """How far the slice is: runs left, and the frame that each of them has saved."""
        left = self.left()
        return len(left), {item.run: saved(self.results / "work" / item.run) for item in left}

    def run(self) -> int:
        """Train until nothing is left, or until the end that SLURM announces; -> exit code."""
        for number in STOPS:
            signal.signal(number, lambda number, _: self.stopped.append(number))
        keeper.adopt()  # what a killed Snakemake leaves behind is waited for, too
        began, vain = self.got(), 0
        with tempfile.TemporaryDirectory(prefix="pilot-") as place, _shared_gpu(self.head["gpu_slots"], place):
            before = began
            while before[0] and not self.stopped and vain < IN_VAIN:
                self.say(f"{before[0]} of {len(self.slice)} runs are left")
                code = self._snakemake(Path(place))
                now = self.got()
                vain = 0 if now != before else vain + 1
                if now[0] and not self.stopped:
                    self.say(f"snakemake ended with {code}, {now[0]} runs are left")
                before = now
            self._end_warm()
        if not before[0]:
            self.say(f"all {len(self.slice)} runs are finished")
            return 0
        if signal.SIGUSR1 in self.stopped:
            return self._requeue(before[0], before != began)
        self.say(f"{before[0]} runs are left: {', '.join(list(before[1])[:3])}{' …' if before[0] > 3 else ''}")
        return 128 + self.stopped[0] if self.stopped else 1

    def _snakemake(self, place: Path) -> int:
        """One start of Snakemake, to its end or to that of all trainings after a stop."""
        environment = os.environ | {SLICE: str(self.folder / f"{self.index}.json"), "PYTHONUNBUFFERED": "1"}
        environment |= self._keep_warm(place)
        child = subprocess.Popen(
            self._command(),
            cwd=self.head["root"],
            env=environment,
            stdin=subprocess.DEVNULL,
            process_group=0,
            preexec_fn=_end_with_pilot,
        )
        told = False
        while True:
            if self.stopped and not told:  # once: Snakemake loses its wait over a second one
                self.say(f"signal {self.stopped[0]}: trainings save themselves")
                told = True
                _tell(child.pid)
            if told and self.warm:  # also forks whose warm process was killed, and so their clients' messages lost
                _tell(self.warm.pid)
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(timeout=0.1)
                break
        if child.returncode < 0:
            _tell(child.pid)  # nobody waits for its trainings now; they save themselves, and the next start goes on
        keeper.reap_group(child.pid)
        return child.returncode

    def _command(self) -> list[str]:
        head, room = self.head, WORDS
        marks: list[str] = []
        for item in self.left():
            mark = str(self.store.mark(item.run, item.code[:CODE_DIGITS]))
            room -= len(mark) + 1
            if room < 0:
                break
            marks.append(mark)
        root = Path(head["root"])
        command = [sys.executable, "-m", "snakemake", *marks, "--snakefile", str(root / "Snakefile"), "--nocolor"]
        command += [
            "--profile",
            str(root / "workflow" / "profiles" / "local"),
            "--cores",
            str(head["cores"] + head["ahead"]),
        ]
        # Other pilots work in the same folder, on other files; and who was killed leaves locks that nobody needs.
        command += ["--nolock", "--resources", f"mem_mb={head['waiting_mb']}", f"gpu={head['gpu_slots']}"]
        return [*command, *config_words(head["overrides"])]

    def _keep_warm(self, place: Path) -> dict[str, str]:
        """Have a warm process listen; -> what tells jobs of it. A training starts by itself until it does."""
        socket = place / "warm"
        if self.warm is None or self.warm.poll() is not None:
            socket.unlink(missing_ok=True)
            quiet = {"JE_ARROW_MALLOC_CONF": "background_thread:false"}  # Arrow's allocator has a thread otherwise
            self.warm = subprocess.Popen(
                [sys.executable, "-P", "-m", "agents.run.warm", str(socket), str(self.head["cores"])],
                cwd=self.head["root"],
                env=os.environ | {"PYTHONPATH": self.head["root"]} | quiet,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                process_group=0,
            )
            assert self.warm.stdout is not None
            self.warm.stdout.readline()  # it listens, or has ended
        client = Path(self.head["root"]) / "agents" / "run" / "warm.py"
        return {WARM: str(socket), "AGENTS": f"{sys.executable} -I -S {client}"}

    def _end_warm(self) -> None:
        """Wait for all forks, and say what they took beside what the rest did."""
        if self.warm is None:
            return
        assert self.warm.stdin is not None and self.warm.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self.warm.stdin.close()
        said = self.warm.stdout.read()
        self.warm.wait()
        with contextlib.suppress(ValueError):  # it was killed
            account = json.loads(said)
            spent = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
            rest = sum(each.ru_utime + each.ru_stime for each in spent) - account["cpu"]
            slots = self.head["cores"] * (account["last"] - self.began)
            self.say(
                f"{account['trainings']} trainings forked, the first after {account['first'] - self.began:.1f} s: "
                f"{account['seconds']:.1f} s of {slots:.1f} s of cores, "
                f"{account['cpu']:.1f} CPU-seconds; all else {rest:.1f} CPU-seconds"
            )

    def _requeue(self, left: int, got_on: bool) -> int:
        # Not SLURM_JOB_ID: one pilot's is that of the whole array.
        job = f"{os.environ['SLURM_ARRAY_JOB_ID']}_{os.environ['SLURM_ARRAY_TASK_ID']}"
        if not got_on:
            self.say(f"{left} runs are left and none got on before the time limit: it is too short, not queued again")
            return 1
        self.say(f"{left} runs are left at the time limit: queued again")
        return subprocess.run(["scontrol", "requeue", job], check=False).returncode


def _end_with_pilot() -> None:
    """Where SLURM does not end what a killed pilot leaves, Snakemake at least starts nothing more."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(DEATH_SIGNAL, signal.SIGTERM, 0, 0, 0)


def _tell(group: int) -> None:
    """What Snakemake and trainings understand as: save and leave."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGTERM)


@contextlib.contextmanager
def _shared_gpu(slots: int, place: str) -> Iterator[None]:
    """CUDA's MPS for the pilot's GPU, where the node has it and several runs share one: they compute at once then."""
    program = shutil.which("nvidia-cuda-mps-control")
    if slots < 2 or not program:
        yield
        return
    os.environ |= {"CUDA_MPS_PIPE_DIRECTORY": place, "CUDA_MPS_LOG_DIRECTORY": place}
    subprocess.run([program, "-d"], check=False)
    try:
        yield
    finally:
        subprocess.run([program], input="quit\n", text=True, check=False, timeout=60)


def main() -> int:
    folder, index = Path(sys.argv[1]), int(sys.argv[2])
    try:
        pilot = Pilot(folder, index)
    except pilots.UNREADABLE as error:
        print(f"pilot {index}: its slice in {folder} cannot be read ({error!r}); were the results moved? Submit again")
        return 1
    return pilot.run()


if __name__ == "__main__":
    sys.exit(main())
