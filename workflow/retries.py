"""Whether a training that failed on a cluster is submitted again.

A run that gets on is cut off any number of times: by time limits, preemption, lost nodes. One that gets nowhere is not
tried for ever. What counts is its newest checkpoint, looked at from here: a job may fail before it can say anything.
"""

from __future__ import annotations

from pathlib import Path

from snakemake.jobs import Job

from agents.run.attempts import read, saved, was_cut_off

FAILURES = 3  # in a row without a newer checkpoint, after which a run is given up until Snakemake is started again
CUT_OFF = 20  # times in a row that it was told to leave before it got anywhere: its time limit is too short


class Retries:
    """The failures of one start of Snakemake, per run."""

    def __init__(self, results: Path | str):
        self.work = Path(results) / "work"
        self._frames = {folder.name: saved(folder) for folder in self.work.glob("*")}  # at the newest failure
        self._in_vain: dict[str, list[bool]] = {}  # for each failure since the newest checkpoint: whether cut off
        self._again: dict[tuple[str, int], bool] = {}

    def again(self, run: str, attempt: int) -> bool:
        """Whether a run is submitted again after its `attempt`-th job (from 1) failed. Looked at once."""
        if (run, attempt) not in self._again:
            self._again[run, attempt] = self._judge(run)
        return self._again[run, attempt]

    def _judge(self, run: str) -> bool:
        frame, starts = saved(self.work / run), read(self.work / run)
        in_vain = self._in_vain.setdefault(run, [])
        if frame != self._frames.get(run):
            self._frames[run] = frame
            in_vain.clear()
        else:
            in_vain.append(bool(starts) and was_cut_off(starts[-1]))
        return in_vain.count(False) < FAILURES and len(in_vain) < CUT_OFF

    def install(self) -> None:
        """Let Snakemake's scheduler ask: it knows but a number of restarts for each rule, fixed beforehand."""

        def restart_times(job: Job) -> int:
            if job.rule.name == "train" and self.again(job.wildcards.run, job.attempt):
                return job.attempt  # this many are allowed, and one fewer were used
            return job.rule.restart_times

        Job.restart_times = property(restart_times)
