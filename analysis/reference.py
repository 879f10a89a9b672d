"""The published facts in config/reference: reference scores, game sets, results, headline numbers, curves."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis.errors import UserError, unknown
from analysis.spec.items import PublishedNumber, PublishedNumbers, PublishedScores

CURVE_COLUMNS = ("game", "algorithm", "frames", "mean", "sd", "n_seeds")


ATARI = "atari_reference_scores.csv"
MINATAR = "minatar_reference.csv"
PUBLISHED = "published_scores.csv"
AGGREGATES = "published_aggregates.csv"


def _numbers(table: pd.DataFrame, columns: list[str], path: Path, rows: list[Any]) -> pd.DataFrame:
    """The table with finite numbers (or nothing) in these columns; `rows` names each row."""
    table = table.copy()
    for column in columns:
        numbers = pd.to_numeric(table[column], errors="coerce")
        wrong = (table[column].notna() & ~np.isfinite(numbers)).to_numpy()
        if wrong.any():
            place = int(wrong.argmax())
            text = str(table[column].iloc[place])
            raise UserError(f"{path}: {rows[place]}: {column} is {text!r}, which is no finite number")
        table[column] = numbers
    return table


class Reference:
    """Reads each CSV once, when first asked for: then UserError for a file or column that is missing."""

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)

    def _read(self, name: str, needed: tuple[str, ...]) -> pd.DataFrame:
        path = self.folder / name
        try:
            table = pd.read_csv(path)
        except FileNotFoundError:
            near = [p.name for p in path.parent.glob("*.csv")]
            raise unknown("reference file", path.name, near, str(path.parent)) from None
        except (OSError, ValueError) as error:
            raise UserError(f"cannot read {path}: {error}") from error
        lost = [column for column in needed if column not in table.columns]
        if lost:
            raise UserError(f"{path}: no column {', '.join(lost)}; it has {', '.join(table.columns)}")
        return table

    @cached_property
    def scores(self) -> pd.DataFrame:
        """Random, human and record scores; index = game. UserError for what is no number, and games named twice."""
        table = self._read(ATARI, ("game", "random", "human")).set_index("game")
        if table.index.has_duplicates:
            raise UserError(f"{self.folder / ATARI}: {table.index[table.index.duplicated()][0]} has several rows")
        return _numbers(table, list(table.columns), self.folder / ATARI, list(table.index))

    @cached_property
    def minatar(self) -> pd.DataFrame:
        """MinAtar's published scores, a row each. UserError for what is no number."""
        table = self._read(MINATAR, ("algorithm", "game", "metric", "score"))
        names = list(table.algorithm.astype(str) + " on " + table.game.astype(str))
        return _numbers(table, ["score"], self.folder / MINATAR, names)

    @cached_property
    def game_sets(self) -> dict[str, list[str]]:
        """Name of a set -> its games, in the file's order."""
        table = self._read("game_sets.csv", ("game_set", "game"))
        return {str(name): list(rows.game) for name, rows in table.groupby("game_set")}

    @cached_property
    def published(self) -> pd.DataFrame:
        """Per-game scores that papers printed, raw, a row each."""
        return self._read(PUBLISHED, ("paper", "algorithm", "game", "regime", "score", "source"))

    @cached_property
    def aggregates(self) -> pd.DataFrame:
        """Headline numbers that papers printed, a row each, with unit and confidence."""
        needed = ("paper", "algorithm", "regime", "metric", "value", "unit", "confidence", "source")
        return self._read(AGGREGATES, needed)

    def game_set(self, name: str) -> list[str]:
        """The games of a set; UserError for an unknown one."""
        if name not in self.game_sets:
            raise unknown("game set", name, self.game_sets, str(self.folder / "game_sets.csv"))
        return self.game_sets[name]

    def per_game(self, wanted: PublishedScores, game_set: str | None = None) -> pd.Series:
        """Raw scores by game (index = game) that one paper printed; UserError when there are none."""
        scores = self._rows(self.published, PUBLISHED, wanted).set_index("game").score
        return scores[scores.index.isin(self.game_set(game_set))] if game_set else scores

    def number(self, wanted: PublishedNumber) -> dict[str, object]:
        """value, unit, confidence, source of one printed headline number; UserError when there is none."""
        rows = self._rows(self.aggregates, AGGREGATES, wanted)
        mine = rows[rows.metric == wanted.metric]
        if mine.empty:
            raise unknown("metric", wanted.metric, rows.metric.unique(), str(self.folder / AGGREGATES))
        row = mine.iloc[0]
        return {
            "value": float(row.value),
            "unit": str(row.unit),
            "confidence": str(row.confidence),
            "source": str(row.source),
        }

    def metrics(self, wanted: PublishedNumbers) -> set[str]:
        """The metrics of which one paper printed a number of one algorithm; UserError when there is none."""
        return set(self._rows(self.aggregates, AGGREGATES, wanted).metric)

    def _rows(self, table: pd.DataFrame, file: str, wanted: PublishedScores | PublishedNumbers) -> pd.DataFrame:
        """The rows of one paper, algorithm and regime; UserError names the first that is unknown."""
        for column in ("paper", "algorithm", "regime"):
            rows = table[table[column] == getattr(wanted, column)]
            if rows.empty:
                raise unknown(column, getattr(wanted, column), table[column].unique(), str(self.folder / file))
            table = rows
        return table

    def weights(self, name: str) -> pd.Series:
        """game -> weight, of the regression that estimates a median over 57 games from few; UserError for none."""
        table = self._read("subset_weights.csv", ("game_set", "game", "weight", "source"))
        if name not in set(table.game_set):
            raise unknown("game set", name, table.game_set.unique(), str(self.folder / "subset_weights.csv"))
        return table[table.game_set == name].set_index("game").weight

    def deviations(self, wanted: PublishedScores) -> pd.Series:
        """Standard deviations by game (index = game) printed beside those scores; UserError where one is missing."""
        games = self.per_game(wanted).index
        table = self.published[["paper", "algorithm", "regime", "game", "sd"]]
        named = table[["paper", "algorithm", "regime"]] == [wanted.paper, wanted.algorithm, wanted.regime]
        rows = table[named.all(axis=1)]
        found = rows.set_index("game").sd
        if found.isna().any():
            raise UserError(f"{self.folder / PUBLISHED}: no sd of {wanted.algorithm} on {found.index[found.isna()][0]}")
        return found[games]

    def curve(self, file: str, algorithm: str, game: str | None = None) -> pd.DataFrame:
        """frames, mean, sd, n_seeds of one published curve, by frames; empty when the file lacks the game.

        `game` may be 'suite/name' or 'name'; None keeps all rows of the algorithm. UserError for an unknown algorithm.
        """
        table = self._read(f"curves/{file}", CURVE_COLUMNS)
        rows = table[table.algorithm == algorithm]
        if rows.empty:
            raise unknown("algorithm", algorithm, table.algorithm.unique(), str(self.folder / "curves" / file))
        if game is not None:
            rows = rows[rows.game.isin([game, game.rsplit("/", 1)[-1]])]
        return rows.sort_values("frames")[["frames", "mean", "sd", "n_seeds"]].reset_index(drop=True)
