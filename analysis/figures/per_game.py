"""Scores by game of what is drawn side by side: variants of our runs, and agents with published scores."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis.curves import Curves, by_label, some
from analysis.errors import UserError
from analysis.load import Scores, select
from analysis.normalise import short
from analysis.reference import Reference
from analysis.text import algorithm_name, citation, game_title


@dataclass(frozen=True)
class Series:
    """Raw scores of one label: game -> scores of its runs (one number for a published score)."""

    label: str
    name: str  # algorithm or variant whose colour it has
    scores: dict[str, np.ndarray]
    published: bool
    regime: str = "noop_starts"  # how its episodes start


def series(spec: Any, scores: Scores, reference: Reference) -> tuple[list[Series], dict[str, Curves]]:
    """All that a spec with `experiments`, `published` and `game_set` asks for, ours first; and the curves of ours.

    UserError for unknown names and a label given twice, NoData where none of its runs has a score.
    """
    curves: dict[str, Curves] = {}
    if spec.experiments:
        curves = some(by_label(select(scores, spec), spec.variants, spec.window, spec.score), spec.id)
    found = [Series(label, label, _by_game(c), False) for label, c in curves.items()]
    for wanted in spec.published:
        printed = reference.per_game(wanted, spec.game_set)
        label = wanted.label or f"{algorithm_name(wanted.algorithm)} ({citation(wanted.paper)})"
        name = wanted.label or algorithm_name(wanted.algorithm)
        found.append(Series(label, name, {g: np.array([s]) for g, s in printed.items()}, True, wanted.regime))
    labels = [s.label for s in found]
    if len(set(labels)) < len(labels):
        twice = next(label for label in labels if labels.count(label) > 1)
        raise UserError(f"{spec.id}: two kinds of bars have the label {twice!r}; give the published one a 'label'")
    return found, curves


def _by_game(curves: Curves) -> dict[str, np.ndarray]:
    names = np.asarray([short(game) for game in curves.games])
    return {str(game): curves.numbers[names == game] for game in np.unique(names)}


def titles(games: Iterable[str], curves: Mapping[str, Curves]) -> dict[str, str]:
    """Game without its suite -> its title, with the suite of our runs: MinAtar has games of the same names."""
    full = {short(game): game for each in curves.values() for game in each.games}
    return {game: game_title(full.get(game, game)) for game in games}


def sources(spec: Any, reference: Reference) -> str:
    """Where each of the published scores is from."""
    texts = []
    for wanted in spec.published:
        table = reference.published
        rows = table[(table.paper == wanted.paper) & (table.algorithm == wanted.algorithm)]
        name = wanted.label or algorithm_name(wanted.algorithm)
        texts.append(f"{name} from {citation(wanted.paper)}, {wanted.regime} ({rows.source.iloc[0]})")
    return "; ".join(texts)
