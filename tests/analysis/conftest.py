"""One set of fake runs and their scores for all tests of the analysis."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from analysis.load import write_scores
from tests.analysis import fake

REFERENCE = Path(__file__).parents[2] / "config" / "reference"
FINALS = {"random policy": 0.5, "DQN": 4.0, "DQN SN[-2]": 6.0}
GRID = tuple({"optimizer.lr": lr, "optimizer.eps": eps} for lr in (1e-4, 1e-3) for eps in (1e-4, 1e-2))


@dataclass(frozen=True)
class House:
    """A results folder: runs, experiments and scores files."""

    folder: Path
    experiments: list[Path]
    scores: list[Path]

    @property
    def runs(self) -> Path:
        return self.folder / "runs"


@pytest.fixture(scope="session")
def reference() -> Path:
    return REFERENCE


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory) -> House:
    """demo.breakout (3 variants x 3 seeds), demo.atari (2 x 3 games x 2 seeds), demo.grid (lr x eps),
    demo.spread (percentiles) and demo.parts (4 x 2 games x 1 seed)."""
    folder = tmp_path_factory.mktemp("results")
    atari = ("atari/pong", "atari/breakout", "atari/qbert")
    lost = fake.run_name("grid", 0, "minatar/breakout", 0, 1)
    diverged = fake.run_name("grid", 1, "minatar/breakout", 1, 3)
    experiments = [
        fake.experiment(folder, FINALS),
        fake.experiment(folder, {"DQN": 20.0, "C51": 30.0}, atari, seeds=2, name="atari"),
        fake.experiment(
            folder,
            {"DQN": 4.0, "DQN SN[-2]": 6.0},
            seeds=2,
            name="grid",
            vary=GRID,
            effect=lambda vary: 1 - 300 * vary["optimizer.lr"],
            skip=(lost,),
            diverged=(diverged,),
        ),
        fake.experiment(folder, {"rank-based": 1.0}, seeds=2, name="spread", spread=True),
        fake.experiment(
            folder,
            {"DQN": 4.0, "Rainbow": 8.0, "no double": 7.0, "no noise": 5.0},
            ("atari/pong", "atari/qbert"),
            1,
            "parts",
        ),
    ]
    scores = [folder / "scores" / f"{path.stem}.parquet" for path in experiments]
    for path, out in zip(experiments, scores, strict=True):
        write_scores(path, folder / "runs", out)
    return House(folder, experiments, scores)
