"""What a figure, table or claim would take together over games, or normalise, that has no scale in common.

analysis/ refuses the same by the same rule (analysis/spec/metrics.py), but only once all has been trained.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from analysis.spec.items import Aggregates, BestGreater, Comparison, FromRuns, Milestones, Sooner, Speedups
from analysis.spec.metrics import apart, is_score
from workflow.items import takes_normalisation
from workflow.scales import Scaled, has


def unscaled(project: Any, item: FromRuns, sources: list[Scaled], labels: list[str]) -> Iterator[tuple[str, str]]:
    """(key, what is wrong) of an item, of its experiments at one scale; `labels`: of their algorithms."""
    found = list(zip(sources, labels, strict=True))
    every = _games(project, item, found, variants_of(item))
    if isinstance(item, Milestones | Sooner | Speedups):
        if lost := sorted(game for game in every if game not in item.levels and not game.startswith("atari/")):
            yield "levels", f"no human score for {', '.join(lost)}: they need a level"
        return
    given = "normalisation" in item.model_fields_set or isinstance(item, Aggregates)
    if given and item.normalisation != "raw":
        suite = "minatar" if item.normalisation == "minatar_dqn" else "atari"
        if lost := sorted(game for game in every if not game.startswith(f"{suite}/")):
            yield "normalisation", f"{item.normalisation!r} has no reference score for {', '.join(lost)}"
            return
        if not any(is_score(name) for names in item.metrics().values() for name in names):
            yield "normalisation", f"{item.metric} is no game score, which alone is normalised"
            return
    if takes_normalisation(item, (game for each in sources for game in project.games_of(each.chosen("games")[1]))):
        item = item.model_copy(update={"normalisation": "standard"})  # whichever it is
    together = _together(project, item, found)
    wrong = (apart(average, games) for average in item.averages() for games in together)
    for why in filter(None, wrong):
        yield "normalisation", why.partition(";")[0]
        return  # the first one, with which the drawing would end


def _together(project: Any, item: FromRuns, sources: list[tuple[Scaled, str]]) -> list[set[str]]:
    """The games of each average."""
    if isinstance(item, BestGreater):  # one of each sweep
        return [_games(project, item, [each], variants_of(item)) for each in sources]
    if isinstance(item, Comparison):  # what was not run on the same games is not compared
        return [_games(project, item, sources, {name}) for name in variants_of(item)]
    return [_games(project, item, sources, variants_of(item))]


def variants_of(item: Any) -> set[str]:
    """The variants that it takes runs of; none where it takes those of all."""
    if isinstance(item, Aggregates):
        return {row.variant for row in item.rows if row.variant is not None}
    sides = {name for key in ("a", "b") if isinstance(name := getattr(item, key, None), str)}
    return sides or {*(item.variants or ())}


def _games(project: Any, item: FromRuns, sources: Iterable[tuple[Scaled, str]], variants: set[str]) -> set[str]:
    """The games of the runs that it takes of these experiments."""
    found: set[str] = set()
    for each, label in sources:
        runs = not variants or variants & {*each.variants(label)}
        if runs and (not item.where or any(has(point, item.where) for point in each.points())):
            found |= set(project.games_of(each.chosen("games")[1]))
    return found & {*(item.games or found)}
