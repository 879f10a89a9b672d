"""200 kills and 300 damaged files of what `make faults` does at night (docs/reliability.md)."""

import os
import random
from collections import Counter
from pathlib import Path

import pytest

from tests.faults import damages, programs, trainings
from tests.faults.sweep import Watch, folder_of, log_of, runs
from tests.kills import damage

KILLS, PROGRAMS, DAMAGED = 200, 4, 300


@pytest.fixture(scope="session")
def calm(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, dict]]:
    """A folder with the undisturbed sweep in calm/, and what its runs left."""
    folder = tmp_path_factory.mktemp("faults")
    return folder, trainings.calm(folder / "calm")


def test_killed_trainings_end_like_undisturbed_ones(calm, tmp_path):
    counts: Counter[str] = Counter()
    assert trainings.campaign(tmp_path, KILLS - PROGRAMS, random.Random(1), calm[1], counts) == []
    assert counts["kills of trainings"] >= KILLS - PROGRAMS and counts["resumed"] > 40
    moments = ("at any time", "at a checkpoint", "at a seal", "in place of a call", "of two at once")
    assert sum(counts[moment] for moment in moments) == counts["kills of trainings"]
    assert all(counts[moment] >= 5 for moment in moments), counts


def test_a_sweep_whose_programs_are_killed_ends_like_an_undisturbed_one(tmp_path):
    counts: Counter[str] = Counter()
    assert programs.campaign(tmp_path, PROGRAMS, random.Random(2), counts) == []
    assert sum(count for name, count in counts.items() if name.startswith("kills of the")) == PROGRAMS


def test_damaged_files_are_noticed_and_what_is_wrong_is_not_used(calm):
    counts: Counter[str] = Counter()
    assert damages.campaign(calm[0], DAMAGED, random.Random(3), calm[1], counts) == []
    assert counts == {"damages": DAMAGED, "of these given to the program": 16}


def test_each_rule_that_is_broken_is_seen(calm):
    """The watch itself, on the undisturbed sweep."""
    folder, expected = calm[0] / "calm", calm[1]

    def broken(change=lambda: None, expected=expected) -> list[str]:
        watch = Watch(folder, runs(), expected, Counter())
        watch.look()
        change()
        watch.close()
        return watch.broken

    first, name = runs()[0], runs()[0].name()
    assert broken() == []
    assert broken(expected=expected | {name: expected[name] | {"weights": b""}}) == [
        f"{name}: differs from an undisturbed run in ['weights']"
    ]
    manifest, log = folder_of(folder, first) / "manifest.json", log_of(folder, name)
    assert "sealed, then trained or written again" in broken(lambda: os.utime(manifest))[0]
    with log.open("a") as file:
        file.write(f"{name}: resumed at frame 300 of 900\n")
    assert broken() == []
    kept = log.read_text()
    with log.open("a") as file:
        file.write(f"{name}: resumed at frame 200 of 900\n")
    assert broken() == [f"{name}: went on from [0, 300, 200], which loses progress that was saved"]
    log.write_text(kept.replace(f"{name}: resumed at frame 300 of 900\n", ""))

    def train_again() -> None:
        log.write_text(f"{log.read_text()}{name}: started at frame 0 of 900\n")

    assert "sealed, then trained or written again" in broken(train_again)[0]
    log.write_text(log.read_text().rsplit(name, 1)[0])
    part = folder / "runs" / ".x.part"
    part.touch()
    assert broken() == [f"left over: {part}"]
    part.unlink()
    shown = folder / "runs" / name / "run.json"
    shown.unlink()
    assert broken() == [f"{name}: finished, but not shown"]
    os.link(manifest.with_name("run.json"), shown)
    path, data = manifest.with_name("run.json"), manifest.with_name("run.json").read_bytes()
    damage(path, "cut", random.Random(0))
    watch = Watch(folder, runs(), expected, Counter())
    watch.look()
    assert watch.broken and "a kill left a result of which ['run.json has" in watch.broken[0]
    path.write_bytes(data)
    os.unlink(shown)
    os.link(path, shown)
    assert broken() == []
