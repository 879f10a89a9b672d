"""A training forked from the warm process: the same bytes as one in a process of its own, and the same manners."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agents.run import warm
from tests.agents.specs import ROOT, spec
from tests.agents.specs import warm as compiled
from tests.faults.sweep import ON_POLICY, folder_of, outputs

CLIENT = [sys.executable, "-I", "-S", str(ROOT / "agents/run/warm.py")]
QUICK = {"evaluation__every_frames": 300, "evaluation__episodes": 2}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[subprocess.Popen, dict[str, str]]]:
    """A warm process with room for one training, and the environment of its clients."""
    compiled()
    place = tmp_path_factory.mktemp("warm") / "socket"
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "agents.run.warm", str(place), "1"],
        env=environment | {"JE_ARROW_MALLOC_CONF": "background_thread:false"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout.readline() == b"listening\n"
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    yield process, environment | {warm.SOCKET: str(place), "PATH": path}
    process.stdin.close()
    said = json.loads(process.stdout.read())
    assert process.wait(timeout=60) == 0 and said["trainings"] == 4


def start(environment: dict[str, str], run, results: Path, *words: str) -> subprocess.Popen:
    command = [*CLIENT, "train", "--spec", run.canonical(), "--results", str(results), *words]
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)


def test_a_fork_leaves_the_bytes_of_a_process_of_its_own(server, tmp_path):
    process, environment = server
    for run in (
        spec("dqn_minatar_sn", budget=900, **QUICK, learning__clock__start_frames=100),
        spec("a2c_minatar", "freeway", budget=400, **QUICK, **ON_POLICY),
    ):
        words = ["train", "--spec", run.canonical(), "--results", str(tmp_path / "own")]
        subprocess.run([sys.executable, "-m", "agents", *words], cwd=ROOT, env=environment, check=True)
        forked = start(environment, run, tmp_path / "forked")
        _, said = forked.communicate(timeout=300)
        assert forked.returncode == 0 and said.count("started at frame 0") == said.count("finished at") == 1, said
        assert outputs(folder_of(tmp_path / "forked", run)) == outputs(folder_of(tmp_path / "own", run))
        tasks = os.listdir(f"/proc/{process.pid}/task")
        assert len(tasks) == 1  # it forks only as long as this holds


def test_a_signal_saves_the_fork_and_ends_who_waits_for_room(server, tmp_path):
    """And the next start goes on: in the fork's place, once there is room."""
    run, other = spec("dqn_minatar_sn", budget=200_000), spec("dqn_minatar_sn", budget=200_000, seed=1)
    first = start(server[1], run, tmp_path)
    beat = tmp_path / "work" / run.name() / "heartbeat.json"
    while not beat.exists() or json.loads(beat.read_bytes())["frame"] < 100:
        assert first.poll() is None
        time.sleep(0.05)
    second = start(server[1], other, tmp_path)
    time.sleep(1.0)
    assert second.poll() is None and not (tmp_path / "work" / other.name()).exists()
    for each in (second, first):
        each.send_signal(signal.SIGTERM)
        assert each.wait(timeout=120) == warm.STOPPED
    said = first.stderr.read()
    assert "saved at frame" in said and said.rstrip().endswith("after signal 15")
    assert second.stderr.read() == "" and not (tmp_path / "work" / other.name()).exists()


def test_a_client_that_is_killed_takes_its_fork_with_it(server, tmp_path):
    run = spec("dqn_minatar_sn", budget=200_000)
    client = start(server[1], run, tmp_path)
    beat = tmp_path / "work" / run.name() / "heartbeat.json"
    while not beat.exists():
        assert client.poll() is None
        time.sleep(0.05)
    client.kill()
    client.wait()
    while json.loads(beat.read_bytes())["state"] != "preempted":
        time.sleep(0.05)
    assert list((tmp_path / "work" / run.name() / "checkpoints").glob("manifest-*.json"))


def test_without_a_warm_process_the_training_starts_by_itself(server, tmp_path):
    environment = server[1] | {warm.SOCKET: str(tmp_path / "nobody")}
    run = spec("a2c_minatar", "freeway", budget=400, **QUICK, **ON_POLICY)
    alone = start(environment, run, tmp_path)
    _, said = alone.communicate(timeout=300)
    assert alone.returncode == 0 and "finished at" in said
    bad = subprocess.run([*CLIENT, "train", "--spec", "{}", "--results", str(tmp_path)], env=server[1], check=False)
    assert bad.returncode == 78  # refused by the warm process, and told by the program itself
