"""Files of config/ as typed models; what pydantic says of them as problems with file and line."""

from __future__ import annotations

from typing import TypeVar

from pydantic import BaseModel, ValidationError

from analysis.spec.common import NAME as NAME
from analysis.spec.complaints import complaints as complaints
from analysis.spec.complaints import dotted_keys as dotted_keys
from workflow.strict_yaml import Document, Problem

Model = TypeVar("Model", bound=BaseModel)


def validate(model: type[Model], document: Document) -> tuple[Model | None, list[Problem]]:
    """The document as a model, or None and all that is wrong with it."""
    try:
        return model.model_validate(document.data), []
    except ValidationError as error:
        return None, [document.problem(*said) for said in complaints(error, model, document.data)]
