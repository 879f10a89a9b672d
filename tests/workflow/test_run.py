"""`python -m workflow run` and what may happen to it: signals, kills, locks, closed pipes, narrow encodings."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from agents.identity import identity
from tests.workflow.house import build, snakemake
from workflow import locker, terminal
from workflow.fingerprint import write_if_changed
from workflow.progress import Log

# A training that lasts until a file `go` is there, says that it lives, and saves itself when asked to leave.
SLOW = """if words[:2] == ["agents", "train"]:
    import signal, sys, time
    if os.path.exists("fail"):
        sys.exit("no memory left")
    folder = f"{option('--results')}/work/{hashlib.sha256(option('--spec').encode()).hexdigest()[:12]}"
    def beat(state):
        write(f"{folder}/part", json.dumps(dict(state=state, frame=12345, budget_frames=20000, pid=os.getpid(),
            time=time.time())))
        os.replace(f"{folder}/part", f"{folder}/heartbeat.json")
    def leave(number, frame):
        beat("preempted")
        os._exit(75)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, leave)
    beat("running")
    while not os.path.exists("go"):
        time.sleep(0.02)
    beat("finished")"""
LINE = "stopped, 2 runs saved at frame 12,345, 12,345; the same command goes on"
BECOME = "import os, sys; os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"  # the words that follow
RUN = ("-m", "workflow", "run", "house", "--", "--cores", "2")


@pytest.fixture
def slow(tmp_path: Path) -> Path:
    folder = build(tmp_path / "house")
    shim = folder / "bin/python"
    text = shim.read_text()
    assert text.count('if words[:2] == ["agents", "train"]:') == 1
    shim.write_text(text.replace('if words[:2] == ["agents", "train"]:', SLOW))
    return folder


def environment(folder: Path, **more: str) -> dict[str, str]:
    found = os.environ | {"PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "VIRTUAL_ENV": str(folder)} | more
    found.pop("PYTHONPATH", None)
    return found


def start(folder: Path, *words: str, **options) -> subprocess.Popen[str]:
    """Python in a session of its own."""
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "env": environment(folder)} | options
    return subprocess.Popen([sys.executable, *words], cwd=folder, text=True, start_new_session=True, **options)


def at_terminal(folder: Path, *words: str) -> tuple[subprocess.Popen[str], int]:
    """The same at a terminal of its own; -> also the other end of that."""
    master, slave = pty.openpty()
    take = f"import fcntl, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); {BECOME}"
    process = start(folder, "-c", take, *words, stdin=slave, stdout=slave, stderr=slave)
    os.close(slave)
    return process, master


def wait_until(true: Callable[[], object], seconds: float = 120.0) -> None:
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, "it never came"
        time.sleep(0.02)


def beats(folder: Path, state: str) -> list[dict]:
    found = [json.loads(path.read_text()) for path in folder.glob("results/work/*/heartbeat.json")]
    return [beat for beat in found if beat["state"] == state]


def alive(pid: int) -> bool:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    return False


def stopped(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def trainings(folder: Path) -> list[int]:
    """Wait for the two that run at once; -> their processes."""
    wait_until(lambda: sum(alive(beat["pid"]) for beat in beats(folder, "running")) == 2)
    return [beat["pid"] for beat in beats(folder, "running") if alive(beat["pid"])]


def child_of(process: subprocess.Popen) -> int:
    return int(Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()[0])


def locks(folder: Path) -> list[Path]:
    return sorted(folder.glob(".snakemake/locks/*"))


def notes(folder: Path) -> list[Path]:
    return sorted(folder.glob(".snakemake/lockers/.*"))


def test_a_signal_ends_it_with_one_line_and_the_same_command_goes_on(slow: Path):
    process, terminal = at_terminal(slow, *RUN)
    inside = trainings(slow)
    os.write(terminal, b"\x03")  # Ctrl-C
    said = b""
    with contextlib.suppress(OSError):  # at its end
        while more := os.read(terminal, 4096):
            said += more
    assert process.wait(120) == 130 and not any(map(alive, inside))
    text = re.sub(r"\x1b\[\d*[A-Z]", "", said.decode())
    assert text.splitlines()[-1] == LINE and "Error" not in text and "Traceback" not in text
    for number, code in ((signal.SIGTERM, 143), (signal.SIGHUP, 129)):
        process = start(slow, *RUN)
        inside = [*trainings(slow), child_of(process)]
        assert locks(slow) and len(notes(slow)) == 1
        process.send_signal(number)
        process.send_signal(number)  # an impatient user changes nothing
        out, err = process.communicate(timeout=120)
        assert (process.returncode, err) == (code, "")
        last = [line for line in out.splitlines() if " jobs | " not in line and "planning" not in line]
        assert last == [LINE], out
        assert not any(map(alive, inside)) and not locks(slow) and not notes(slow)
    (slow / "go").touch()
    process = start(slow, *RUN)
    out, err = process.communicate(timeout=300)
    assert (process.returncode, err) == (0, "")
    assert re.fullmatch(r"\d+ jobs done in \S+", out.splitlines()[-1])
    assert "unlocked" not in out
    # Four starts, one log: each is marked, and what the first one said is still there.
    text = (slow / "results/logs/snakemake.log").read_text()
    marks = re.findall(r"^===== \d{4}-\d\d-\d\d \d\d:\d\d:\d\d \+0000, process (\d+) on (\S+): (.*) =====$", text, re.M)
    assert len(marks) == len({pid for pid, _, _ in marks}) == 4
    assert {(host, command) for _, host, command in marks} == {(identity()["host"], " ".join([PYTHON, *RUN]))}
    assert text.count("Building DAG of jobs") == 4


PYTHON = Path(sys.executable).name


def test_ctrl_z_stops_the_runs_too_and_killing_it_saves_them(slow: Path):
    process = start(slow, *RUN)
    inside = [*trainings(slow), child_of(process)]
    process.send_signal(signal.SIGTSTP)
    wait_until(lambda: all(map(stopped, [*inside, process.pid])))
    process.send_signal(signal.SIGCONT)
    wait_until(lambda: not any(map(stopped, [*inside, process.pid])))
    process.kill()
    process.communicate(timeout=120)
    assert process.returncode == -signal.SIGKILL
    wait_until(lambda: not any(map(alive, inside)))
    assert beats(slow, "preempted") and not beats(slow, "running") and not locks(slow) and not notes(slow)


def test_a_killed_snakemake_is_told_and_its_lock_is_nobodys(slow: Path):
    first = start(slow, *RUN)
    inside, victim = trainings(slow), child_of(first)
    os.kill(victim, signal.SIGKILL)
    _, err = first.communicate(timeout=120)
    assert first.returncode == 128 + signal.SIGKILL
    assert err.startswith("snakemake was ended by SIGKILL; runs that go on by themselves: 2, for which")
    assert all(map(alive, inside)) and len(locks(slow)) == 2
    (slow / "go").touch()
    wait_until(lambda: not any(map(alive, inside)))
    again = start(slow, *RUN)
    out, err = again.communicate(timeout=300)
    assert (again.returncode, err) == (0, "")
    told = out.splitlines()[0]
    assert told.startswith("unlocked, since the Snakemake that held the lock is gone: ")
    assert f"process {victim} on {identity()['host']}, started 20" in told and "snakemake house" in told
    assert not locks(slow) and not notes(slow)


def test_a_living_snakemake_keeps_its_lock_and_is_named(slow: Path):
    first = start(slow, *RUN)
    inside = trainings(slow)
    before = [(path, path.read_text()) for path in locks(slow)]
    second = start(slow, *RUN)
    _, err = second.communicate(timeout=120)
    assert second.returncode == 1
    assert f"another Snakemake holds the lock of this folder: process {child_of(first)} on " in err
    assert "is running. Wait for it, or stop it" in err and "Traceback" not in err
    assert err.rstrip().endswith("results/logs/snakemake.2.log")  # the first one still writes into the other
    assert [(path, path.read_text()) for path in locks(slow)] == before and all(map(alive, inside))
    (slow / "go").touch()
    out, _ = first.communicate(timeout=300)
    assert first.returncode == 0 and "jobs done in" in out
    assert "cannot be locked" in (slow / "results/logs/snakemake.2.log").read_text()
    assert "cannot be locked" not in (slow / "results/logs/snakemake.log").read_text()


def test_plain_snakemake_leaves_a_note_and_ends_well_at_a_hangup(slow: Path):
    done = snakemake(slow, "house", "-n", "--cores", "1")
    assert done.returncode == 0 and not notes(slow)
    log = (slow / "said").open("w")
    process = start(slow, "-m", "snakemake", "house", "--cores", "2", stdout=log, stderr=log)
    inside = trainings(slow)
    assert len(notes(slow)) == 1
    os.killpg(process.pid, signal.SIGHUP)
    assert process.wait(120) == 1
    wait_until(lambda: not any(map(alive, inside)))
    assert beats(slow, "preempted") and not locks(slow) and not notes(slow)


def lock(state: Path, *owners: tuple[dict, float], written: float = 100) -> Path:
    """A lock file, and a note per (owner, time)."""
    for folder in ("locks", "lockers"):
        (state / folder).mkdir(parents=True, exist_ok=True)
    for number, (owner, when) in enumerate(owners):
        note = state / "lockers" / f".note.{number}.json"
        note.write_text(json.dumps(owner | {"command": ["snakemake", f"paper{number}"]}))
        os.utime(note, (when, when))
    path = state / "locks" / "0.input.lock"
    path.write_text("results/x\n")
    os.utime(path, (written, written))
    return path


def test_only_locks_of_the_dead_are_removed(tmp_path: Path):
    process = subprocess.Popen(["true"])
    process.wait()
    me, dead = identity(), {**identity(), "pid": process.pid, "started": "1"}
    unseen, afar = {**dead, "namespace": "pid:[1]"}, {**dead, "boot": "another", "host": "afar"}
    cases = [
        ([(dead, 90)], True, ""),
        ([(dead, 80), (dead, 90)], True, ""),
        ([(dead, 90), (me, 110)], True, ""),  # the living one started later: this lock is not its
        ([(me, 90)], False, rf"process {me['pid']} on \S+, started .* \(snakemake paper0\) is running\. Wait"),
        ([(dead, 80), (me, 90)], False, r"\(snakemake paper1\) is running\. Wait"),
        ([(unseen, 90)], False, r"\(snakemake paper0\) cannot be seen from here, so it may be running\. Wait"),
        ([(afar, 90), (dead, 80)], False, r"on afar, .*cannot be seen from here, so it may be running\. Wait"),
        ([({**dead, "pid": me["pid"]}, 90)], True, ""),  # its number is used again
        ([], False, r"a Snakemake that left no note of itself holds the lock.*snakemake --unlock"),
        ([(dead, 110)], False, "a Snakemake that left no note of itself"),
    ]
    for number, (owners, freed, told) in enumerate(cases):
        state = tmp_path / str(number)
        path = lock(state, *owners)
        lines = locker.free(state)
        assert path.exists() is not freed, (number, lines)
        if freed:
            assert len(lines) == 1 and f"process {owners[0][0]['pid']} on {me['host']}" in lines[0]
            assert len(list((state / "lockers").iterdir())) == sum(owner is me for owner, _ in owners)
        else:
            assert lines == [] and re.search(told, locker.holders(state)), locker.holders(state)
            assert len(list((state / "lockers").iterdir())) == len(owners)
    assert locker.free(tmp_path / "nowhere") == []


def test_a_reader_that_leaves_changes_neither_the_work_nor_the_exit_code(slow: Path):
    read, write = os.pipe()
    os.close(read)
    (slow / "fail").touch()
    process = start(slow, *RUN, stdout=write)
    _, err = process.communicate(timeout=300)
    assert process.returncode == 1
    assert err == "snakemake failed with exit code 1; all it said is in results/logs/snakemake.log\n"
    missing = start(slow, "-m", "workflow", "done", "house", stdout=write)
    assert missing.wait(300) == 1
    (slow / "fail").unlink()
    (slow / "go").touch()
    process = start(slow, *RUN, stdout=write)
    _, err = process.communicate(timeout=300)
    assert (process.returncode, err) == (0, "")
    with open("/dev/full", "w") as full:
        for words, out, expected in (
            (["done", "house"], write, (0, "")),
            (["status", "--watch"], write, (0, "")),
            (["--help"], write, (0, "")),
            (["status"], full, (1, "writing the output: No space left on device\n")),
            (["run", "house"], full, (0, "")),
        ):
            process = start(slow, "-m", "workflow", *words, stdout=out)
            _, err = process.communicate(timeout=300)
            assert (process.returncode, err) == expected, words
    os.close(write)
    process = start(slow, "-c", f"import os; os.close(1); {BECOME}", *RUN)
    out, err = process.communicate(timeout=300)
    assert (process.returncode, out, err) == (0, "", "")
    narrow(slow)


def narrow(folder: Path) -> None:
    """Encodings that lack what is printed (in the test above, since the checkout's work is done there)."""
    latin = folder / "locale"
    latin.mkdir()
    made = shutil.which("localedef") and subprocess.run(
        ["localedef", "-i", "en_US", "-f", "ISO-8859-1", str(latin / "en_US.ISO-8859-1")],
        capture_output=True,
        check=False,
    )
    cases = [
        ({"PYTHONIOENCODING": "ascii"}, ["run", "house"], "planning ... "),
        ({"LC_ALL": "POSIX", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}, ["status"], "10 runs: "),
        ({"LC_ALL": "C"}, ["status"], "10 runs: "),
    ]
    if made and made.returncode == 0:
        cases.append(({"LC_ALL": "en_US.ISO-8859-1", "LOCPATH": str(latin)}, ["run", "house"], "planning ... "))
    for more, words, told in cases:
        process = start(folder, "-m", "workflow", *words, env=environment(folder, **more), errors="strict")
        out, err = process.communicate(timeout=300)
        assert (process.returncode, err) == (0, ""), (more, words)
        assert told in out
    assert "UnicodeEncodeError" not in (folder / "results/logs/snakemake.log").read_text()


def test_any_text_can_be_printed(capfdbinary, monkeypatch):
    with open(os.dup(1), "w", encoding="ascii") as out, open(os.dup(1), "w", encoding="utf-8") as wide:
        monkeypatch.setattr(sys, "stdout", out)
        monkeypatch.setattr(sys, "stderr", wide)
        terminal.prepare()
        assert terminal.show("3 × 2 – x → y · … ü") and terminal.show("ü \udcff", sys.stderr)
    assert capfdbinary.readouterr().out == b"3 x 2 - x -> y | ... ?\n" + "ü ?\n".encode()


def test_a_log_is_read_from_its_own_start(tmp_path: Path):
    path = tmp_path / "log"
    path.write_text("total      5\n5 of 5 steps (100%) done\nNothing to be done\n===== ü =====\n")
    log = Log(path, path.stat().st_size)
    with path.open("a") as file:
        file.write("total      7\n1 of 7 steps\n")
    log.read()
    assert (log.done, log.total, log.idle) == (1, 7, False)
    assert log.whole() == "total      7\n1 of 7 steps\n"


def change(path: Path, letter: str) -> None:
    for number in range(1_000):
        write_if_changed(path, f"{letter}{number}\n" * 100)


def test_two_may_write_one_file(tmp_path: Path):
    path, fork = tmp_path / "modules.fp", multiprocessing.get_context("fork")
    crew = [fork.Process(target=change, args=(path, letter)) for letter in "ab"]
    for process in crew:
        process.start()
    for process in crew:
        process.join(120)
    assert [process.exitcode for process in crew] == [0, 0]
    lines = path.read_text().splitlines()
    assert lines in ([f"{letter}999"] * 100 for letter in "ab") and os.listdir(tmp_path) == ["modules.fp"]
