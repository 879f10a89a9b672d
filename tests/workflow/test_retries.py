"""How often a failed training is submitted again."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from snakemake.jobs import Job

from workflow.retries import Retries


class Cluster:
    """A run whose jobs fail one after the other."""

    def __init__(self, results: Path):
        self.work = results / "work/run"
        self.retries, self.attempt = Retries(results), 0

    def save(self, frame: int) -> None:
        (self.work / "checkpoints").mkdir(parents=True, exist_ok=True)
        (self.work / "checkpoints/manifest-1.json").write_text(json.dumps({"frame": frame}))

    def fails(self, ended: str | None = "failed", booked: bool = True) -> bool:
        """One more job fails; -> whether there is another."""
        if booked:
            self.work.mkdir(parents=True, exist_ok=True)
            start = {"time": self.attempt, "ended": ended, "peak_mb": None}
            (self.work / "attempts.json").write_text(json.dumps([start]))
        self.attempt += 1
        answers = {self.retries.again("run", self.attempt) for _ in range(3)}  # asking is not failing
        assert len(answers) == 1
        return answers.pop()


@pytest.mark.parametrize("ended", [None, "failed", "memory"])
@pytest.mark.parametrize("saved", [None, 500])
def test_three_failures_in_vain_are_the_last(tmp_path: Path, ended: str | None, saved: int | None):
    if saved:
        Cluster(tmp_path).save(saved)  # by an earlier start of Snakemake: no progress of this one
    cluster = Cluster(tmp_path)
    assert [cluster.fails(ended) for _ in range(3)] == [True, True, False]


def test_jobs_that_fail_before_they_can_say_anything(tmp_path: Path):
    cluster = Cluster(tmp_path)
    assert [cluster.fails(booked=False) for _ in range(3)] == [True, True, False]


@pytest.mark.parametrize("ended", [None, "failed", "saved"])
def test_a_run_that_gets_on_is_never_given_up(tmp_path: Path, ended: str | None):
    cluster = Cluster(tmp_path)
    for frame in range(1, 60):
        cluster.save(frame)
        assert cluster.fails(ended)
    assert [cluster.fails() for _ in range(3)] == [True, True, False]


def test_progress_forgives_what_was_before(tmp_path: Path):
    cluster = Cluster(tmp_path)
    assert cluster.fails() and cluster.fails()
    cluster.save(100)
    assert [cluster.fails(), cluster.fails(), cluster.fails(), cluster.fails()] == [True, True, True, False]


def test_a_run_that_begins_anew_gets_on(tmp_path: Path):
    """What it found saved belonged to other code."""
    Cluster(tmp_path).save(500)
    cluster = Cluster(tmp_path)
    cluster.fails()
    cluster.save(100)
    assert [cluster.fails() for _ in range(4)] == [True, True, True, False]


@pytest.mark.parametrize("ended", ["left", "saved"])
def test_being_told_to_leave_before_it_got_anywhere(tmp_path: Path, ended: str):
    cluster = Cluster(tmp_path)
    assert [cluster.fails(ended) for _ in range(20)] == [True] * 19 + [False]
    cluster = Cluster(tmp_path)
    ends = ["failed", ended, "failed", ended, ended, "failed"]
    assert [cluster.fails(end) for end in ends] == [True] * 5 + [False]


def test_runs_are_judged_apart(tmp_path: Path):
    retries = Retries(tmp_path)
    assert [retries.again("a", n) for n in (1, 2, 3)] == [True, True, False]
    assert [retries.again("b", n) for n in (1, 2, 3)] == [True, True, False]


def test_snakemake_asks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Job, "restart_times", Job.restart_times)  # put back afterwards
    Retries(tmp_path).install()
    train, score = SimpleNamespace(name="train", restart_times=0), SimpleNamespace(name="score", restart_times=1)

    def again(rule: SimpleNamespace, attempt: int) -> bool:
        job = SimpleNamespace(rule=rule, wildcards=SimpleNamespace(run="run"), attempt=attempt)
        return Job.restart_times.fget(job) > attempt - 1  # as Snakemake's scheduler decides

    assert [again(train, n) for n in (1, 2, 3)] == [True, True, False]
    assert [again(score, n) for n in (1, 2)] == [True, False]
