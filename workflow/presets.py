"""A paper's experiments with what they take from elsewhere laid in: another experiment, presets of scales and rules."""

from __future__ import annotations

from collections.abc import Callable

from workflow.main_config import one_or_more
from workflow.overlay import laid, part, placed
from workflow.strict_yaml import ConfigError, Document, Location, Problem

Presets = Callable[[Location, str], Document]


def complete_experiments(document: Document, presets: Presets) -> tuple[Document, list[Problem]]:
    """The document whose experiments say all that they inherit, and what is wrong with whom they name.

    `presets` gives the file of config/scales that is named at a location, or raises ConfigError. What is not a mapping
    is left for the paper's model to complain about.
    """
    named = part(document, ("experiments",))
    if not isinstance(named.data, dict):
        return document, []
    problems: list[Problem] = []
    for key, described in named.data.items():
        if isinstance(described, dict):
            whole, wrong = _whole(document, named, key, presets)
            document = placed(document, ("experiments", key), whole)
            problems += wrong
    return document, problems


def named_presets(document: Document) -> set[str]:
    """The presets that a paper's experiments name."""
    experiments = document.data.get("experiments")
    described = experiments.values() if isinstance(experiments, dict) else ()
    return {name for each in described if isinstance(each, dict) for _, name in _named(each.get("preset"), ())}


def _named(said: object, at: Location) -> list[tuple[Location, str]]:
    """(where it stands, name) of what `preset` names: one or several."""
    if isinstance(said, str):
        return [(at, name) for name in one_or_more(said)]
    return [((*at, i), name) for i, name in enumerate(said) if isinstance(name, str)] if isinstance(said, list) else []


def _whole(document: Document, named: Document, key: str, presets: Presets) -> tuple[Document, list[Problem]]:
    own, problems, at = part(named, (key,)), [], ("experiments", key)
    if (other := own.data.get("extends")) is not None:
        others = {name: each for name, each in named.data.items() if name != key and isinstance(each, dict)}
        if not isinstance(other, str):
            pass  # which the model says
        elif other not in others:
            message = f"unknown experiment {other!r}"
            problems.append(document.problem((*at, "extends"), message, other, others))
        elif others[other].get("extends") is not None:
            message = f"{other} extends another: one level is allowed"
            problems.append(document.problem((*at, "extends"), message))
        else:
            own = laid(part(named, (other,)), own)
    for where, name in reversed(_named(own.data.get("preset"), (*at, "preset"))):
        try:
            preset = presets(where, name)
        except ConfigError as error:
            return own, [*problems, *error.problems]
        for laid_on, shared in (("scales", _scales(preset)), ("set", part(preset, ("set",)))):
            mine = part(own, (laid_on,))
            if shared.data is not None:
                own = placed(own, (laid_on,), shared if mine.data is None else laid(shared, mine))
    return own, problems


def _scales(preset: Document) -> Document:
    """What a preset says of scales."""
    said = {key: value for key, value in preset.data.items() if key != "set"}
    return Document(preset.file, said, {at: place for at, place in preset.places.items() if at[:1] != ("set",)})
