"""Figures, tables and claims with what they leave out laid in: another one's words, and whose numbers they quote."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, get_args

from agents.run import metrics
from analysis.spec.common import FromRuns, Regime
from analysis.spec.complaints import Location
from workflow.overlay import laid, merge, part, placed
from workflow.strict_yaml import Document, Problem

LISTS = ("figures", "tables", "claims")
# Lists in an item -> what may stand once, beside the list, in place of in each of its entries.
SHARED = {"bars": ("printed", "recomputed"), "order": ("printed", "recomputed"), "rows": ("scores", "printed")}


def takes_normalisation(item: Any, games: Iterable[str]) -> bool:
    """Whether the main config's normalisation is the one of a figure, table or claim on these games: of aggregates over
    Atari games, where its file names none."""
    fields = type(item).model_fields
    if "normalisation" not in fields or "normalisation" in item.model_fields_set:
        return False
    if "statistics" not in fields and "game_set" not in fields:
        return False
    suites = {game.partition("/")[0] for game in games}
    return suites == {"atari"}


def metric_problems(document: Document, at: Location, item: Any) -> Iterator[Problem]:
    """Metrics of runs that a figure, table or claim names and nothing records: drawing finds it after all training."""
    if not isinstance(item, FromRuns):
        return
    named = [((key,), getattr(item, key, None)) for key in ("metric", "x_metric")]
    named += [(("metrics", label), metric) for label, metric in getattr(item, "metrics", {}).items()]
    for where, metric in named:
        try:
            metrics.check(metric or "evaluation_return")
        except ValueError:
            name = metric.partition("[")[0]
            yield document.problem((*at, *where), f"unknown metric {metric!r}", name, metrics.names())


def complete_items(document: Document, paper: str) -> tuple[Document, list[Problem]]:
    """The document whose figures, tables and claims say all that they inherit, and what is wrong with whom they name.

    `paper`: the file's name, of experiments without one. What is no mapping or no list is left for the paper's model to
    complain about.
    """
    whole, problems = _extended(document)
    of = _quoted_by(document.data.get("published"))
    data = dict(whole.data)
    for name in LISTS:
        if isinstance(items := data.get(name), list):
            data[name] = [_explicit(item, paper, of) if isinstance(item, dict) else item for item in items]
    return Document(whole.file, data, whole.places), problems


def _extended(document: Document) -> tuple[Document, list[Problem]]:
    """The document whose items say all that those say which they extend."""
    written, problems = document, []
    for name in LISTS:
        items = written.data.get(name)
        items = {i: item for i, item in enumerate(items) if isinstance(item, dict)} if isinstance(items, list) else {}
        known = {str(item["id"]): i for i, item in items.items() if "id" in item}
        for i, item in items.items():
            if item.get("extends") is not None:
                whole, wrong = _whole(written, name, i, known)
                document = document if wrong else placed(document, (name, i), whole)
                problems += wrong
    return document, problems


def _whole(document: Document, name: str, i: int, known: dict[str, int]) -> tuple[Document, list[Problem]]:
    """An item laid on the one of its list that it extends."""
    own, at = part(document, (name, i)), (name, i, "extends")
    other = own.data["extends"]
    others = {key: j for key, j in known.items() if j != i}
    if not isinstance(other, str):
        return own, [document.problem(at, "text is wanted")]
    if other not in others:
        return own, [document.problem(at, f"unknown {name[:-1]} {other!r}", other, others)]
    under = part(document, (name, others[other]))
    if under.data.get("extends") is not None:
        return own, [document.problem(at, f"{other} extends another: one level is allowed")]
    if own.data.get("kind", under.data.get("kind")) != under.data.get("kind"):
        return own, [document.problem((name, i, "kind"), f"{other} is of another kind: only one of its own extends it")]
    under.data = {key: value for key, value in under.data.items() if key != "id"}
    found = laid(under, own)
    found.data = {key: value for key, value in found.data.items() if key != "extends"}
    return found, []


def _quoted_by(published: Any) -> dict[str, str]:
    """The paper and regime that a file gives for all published numbers; without what its model complains of."""
    given = published if isinstance(published, dict) else {}
    known = {"paper": [given.get("paper")], "regime": get_args(Regime)}
    return {key: given[key] for key, valid in known.items() if isinstance(given.get(key), str) and given[key] in valid}


def _explicit(item: dict[str, Any], paper: str, of: dict[str, str]) -> dict[str, Any]:
    """An item with what its entries share in each of them, and all names and numbers in full."""
    item = dict(item)
    for entries, keys in SHARED.items():
        if not isinstance(item.get(entries), list):
            continue
        shared = {key: item.pop(key) for key in keys if key in item}
        item[entries] = [_sharing(shared, each) if isinstance(each, dict) else each for each in item[entries]]
        if entries == "rows":
            own = {key: of[key] for key in ("paper",) if key in of} | (shared.get("printed") or {})
            item[entries] = [_as_printed(each, own) if isinstance(each, dict) else each for each in item[entries]]
    if isinstance(named := item.get("experiments"), list):
        item["experiments"] = [f"{paper}.{e}" if isinstance(e, str) and "." not in e else e for e in named]
    return _quoting(item, of)


def _as_printed(row: dict[str, Any], own: dict[str, str]) -> dict[str, Any]:
    """A row with what is printed of the agent whose scores it has, unless it says of whom, or null; `own`: by whom."""
    scores, printed = row.get("scores"), row.get("printed", own)
    if not isinstance(scores, dict) or not isinstance(printed, dict) or not printed:
        return row
    same = {key: scores[key] for key in ("algorithm", "regime") if key in scores}
    return row | {"printed": own | same | printed}


def _sharing(shared: dict[str, Any], entry: dict[str, Any]) -> dict[str, Any]:
    """An entry on what all share; of numbers it has those that it names, so that a bar may be only printed."""
    return merge({key: value for key, value in shared.items() if key in entry or not isinstance(value, dict)}, entry)


def _quoting(value: Any, of: dict[str, str]) -> Any:
    """A value with paper and regime in each published number in it; what is recomputed is by default what is printed.

    Published curves are named by a file instead.
    """
    if isinstance(value, list):
        return [_quoting(each, of) for each in value]
    if not isinstance(value, dict):
        return value
    found = {key: _quoting(each, of) for key, each in value.items()}
    if "algorithm" in found and "file" not in found:
        return of | found
    printed, again = found.get("printed"), found.get("recomputed")
    if isinstance(printed, dict) and isinstance(again, dict):
        same = {key: printed[key] for key in ("paper", "algorithm", "regime") if key in printed}
        found["recomputed"] = {"scores": same} | again
    return found
