"""config/config.yaml: what it may say, and its one reader. Knows no model of specs, papers and figures.

Commands that look at finished runs need no more of config/ than this.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from agents.spec.base import Count, Real
from analysis.spec.common import Interval
from workflow.files import Files
from workflow.overlay import laid, unwritten
from workflow.strict_yaml import ConfigError, Document
from workflow.typed import validate

Text = Annotated[str, Field(min_length=1)]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


def one_or_more(value: Any) -> Any:
    """Words of a text that commas divide, as a list; all else as it is."""
    return [word.strip() for word in value.split(",")] if isinstance(value, str) else value


class Energy(Strict):
    """What the report estimates the energy of the runs with."""

    core_watts: Annotated[Real, Field(gt=0, le=10_000)] = Field(description="W of one busy CPU core")
    gpu_watts: Annotated[Real, Field(gt=0, le=10_000)] = Field(description="W of one busy GPU")
    overhead: Annotated[Real, Field(ge=1, le=100)] = Field(
        description="energy of the building for that of its computers (PUE)"
    )


class Config(Strict):
    """config/config.yaml: what to run."""

    papers: Annotated[
        list[Text], BeforeValidator(one_or_more, json_schema_input_type=str | list[str]), Field(min_length=1)
    ] = Field(description="files of config/papers that `all` and the report stand for")
    scale: Literal["smoke", "reduced", "paper"] = Field(
        description="smoke: seconds; reduced: honest on two cores; paper: as published"
    )
    results: Text = Field(description="results folder; relative to where snakemake is started")
    code_changes: Literal["rerun", "ignore"] = Field(description="whether an edit to the code reruns what used it")
    device: Literal["auto", "cpu", "cuda"] = Field(
        description="where runs train: cuda: on a GPU if their cluster.gpu is above 0; auto: those, at the paper's "
        "scale; cpu: none; the device found identifies a run"
    )
    threads: Count = Field(description="torch threads of a run; they change its bits, so they identify it")
    normalisation: Literal["standard", "vp0", "abs"] = Field(
        description="of aggregates over Atari games that name none; vp0: Video Pinball's random score is 0"
    )
    interval: Interval = Field(description="bootstrap intervals of figures that name none")
    energy: Energy | None = Field(None, description="for the report's estimate of energy; null: none is made")
    partial: bool = Field(
        description="draw from the runs that exist, into <results>/<scale>/partial, and train nothing"
    )


def document(files: Files, overrides: dict[str, Any]) -> Document:
    """config/config.yaml with what the command line lays on it."""
    written = files.load("config.yaml")
    return laid(written, unwritten("--config", overrides)) if overrides else written


def read(files: Files, overrides: dict[str, Any]) -> Config:
    """The main config. Raises ConfigError with all that is wrong in it, and in what the command line lays on it."""
    if unknown := [k for k in overrides if k not in Config.model_fields]:
        given = Document("--config", overrides)
        raise ConfigError([given.problem((k,), "unknown key", k, Config.model_fields) for k in unknown])
    said = document(files, overrides)
    config, problems = validate(Config, said)
    asked, known = config.papers if config else said.data.get("papers"), files.names("papers")
    for i, paper in enumerate(asked if isinstance(asked, list) else []):
        if paper not in known:
            problems.append(files.unknown(said, ("papers", i), "paper", paper, known))
    results = config.results if config else ""
    try:
        results = folder_name(results)
        if results and (whose := _not_for_results(files.root, results)):
            raise ValueError(f"{whose} is not a folder for results alone: {results!r}")
    except ValueError as error:
        problems.append(said.problem(("results",), str(error)))
    if problems or config is None:
        raise ConfigError(problems)
    return config.model_copy(update={"results": results})


def folder_name(text: str) -> str:
    """A results folder with ~ and $NAME put in. ValueError where that cannot be, or jobs could not use it."""
    found = os.path.expandvars(os.path.expanduser(text))
    if found.startswith("~"):
        raise ValueError(f"nobody's home is {text.split('/')[0]!r}")
    if unset := re.search(r"\$\{?\w+", found):
        raise ValueError(f"the variable {unset[0].lstrip('${')} is not set here: {text!r}")
    if wrong := re.search(r"[{}$*?\[\]\"'\\\x00-\x1f]", found):
        raise ValueError(f"a results folder cannot have {wrong[0]!r} in its name: {found!r}")
    if text and not found.strip("/. "):
        raise ValueError(f"{text!r} is not a folder for results alone")
    return found


def _not_for_results(root: Path, folder: str) -> str | None:
    """What else a folder is: results are removed there by name, and listed by Snakemake."""
    wanted, root, home = (Path(root / folder).resolve(), root.resolve(), Path.home().resolve())
    if wanted == root or wanted in root.parents:
        return "the checkout" if wanted == root else "a folder above the checkout"
    return "a home folder" if wanted == home else None
