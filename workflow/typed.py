"""Files of config/ as typed models; what pydantic says of them as problems with file and line."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from analysis.spec.common import NAME as NAME
from analysis.spec.complaints import complaints as complaints
from analysis.spec.complaints import dotted_keys as dotted_keys
from analysis.spec.complaints import knows as knows
from workflow.strict_yaml import Document, Location, Problem

Model = TypeVar("Model", bound=BaseModel)


def validate(model: type[Model], document: Document) -> tuple[Model | None, list[Problem]]:
    """The document as a model, or None and all that is wrong with it."""
    try:
        return model.model_validate(document.data), []
    except ValidationError as error:
        return None, [document.problem(*said) for said in complaints(error, model, document.data)]


def mentioned(message: str, location: Location, places: Iterable[tuple[str, Location]]) -> Location | None:
    """Where the first key was set that a sentence about several parts names.

    `location`: of the part that the sentence is about. `places`: dotted keys and where they are set, the
    uppermost first.
    """
    inside = "".join(f"{step}." for step in location)
    names = [(key.removeprefix(inside).removesuffix(".kind"), at) for key, at in places if key.startswith(inside)]
    found = [
        (said.start(), -len(name), n)
        for n, (name, _) in enumerate(names)
        if (said := re.search(rf"(?<![\w.]){re.escape(name)}(?!\w)", message))
    ]
    return names[min(found)[2]][1] if found else None
