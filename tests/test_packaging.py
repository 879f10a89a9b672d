"""What is handed out beside the code: recipes of containers, forms for issues, the citation. Read, not built."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import yaml

import paper_arcade

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
VERSION = PROJECT["project"]["version"]
IMAGE = "python:3.11-slim-bookworm"  # the Python of requirements.lock


def docker() -> list[tuple[str, str]]:
    """Instructions with their words, in order."""
    text = (ROOT / "containers/Dockerfile").read_text()
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [tuple(line.split(maxsplit=1)) for line in lines]


def apptainer() -> tuple[dict[str, str], dict[str, list[str]]]:
    """The header, and section -> its lines."""
    head, *sections = re.split(r"^%", (ROOT / "containers/arcade.def").read_text(), flags=re.MULTILINE)
    header = dict(line.split(": ", 1) for line in head.splitlines() if line and not line.startswith("#"))
    named = {name: rest for name, _, rest in (section.partition("\n") for section in sections)}
    return header, {name: [line.strip() for line in rest.splitlines() if line.strip()] for name, rest in named.items()}


def test_the_version_is_the_same_everywhere():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert (citation["version"], citation["authors"]) == (VERSION, [{"name": "Paper Arcade contributors"}])
    assert f"## [{VERSION}] - {citation['date-released']}\n" in (ROOT / "CHANGELOG.md").read_text()


def test_the_image_of_docker():
    found = docker()
    words = [word for word, _ in found]
    assert words == ["FROM", "RUN", "ENV", "COPY", "RUN", "COPY", "RUN", "WORKDIR", "ENTRYPOINT", "CMD"]
    assert found[0][1] == IMAGE and found[8][1] == '["arcade"]'
    copied = [name for word, rest in found if word == "COPY" for name in rest.split()[:-1]]
    assert all((ROOT / name).is_file() for name in copied)
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert let_in == set(copied) >= {"requirements.lock", "paper_arcade.py"}
    assert found[4][1].endswith("--requirement /opt/paper-arcade/requirements.lock")


def test_the_image_of_apptainer_is_the_same():
    header, sections = apptainer()
    assert header == {"Bootstrap": "docker", "From": IMAGE}
    assert list(sections) == ["files", "post", "environment", "runscript"]
    copied = [line.split()[0] for line in sections["files"]]
    assert sorted(copied) == sorted(name for word, rest in docker() if word == "COPY" for name in rest.split()[:-1])
    assert sections["runscript"] == ['exec arcade "$@"']
    threads = [line.partition(" PIP")[0] for word, line in docker() if word == "ENV"]
    assert sections["environment"] == [f"export {threads[0]}"]


def test_what_is_installed_is_the_command():
    assert PROJECT["project"]["scripts"] == {"arcade": "paper_arcade:main"} and callable(paper_arcade.main)
    assert PROJECT["tool"]["setuptools"]["py-modules"] == ["paper_arcade"]


def test_forms_for_issues_are_ones():
    forms = [path for path in (ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml") if path.stem != "config"]
    assert {path.stem for path in forms} == {"bug", "number", "wish"}
    for path in forms:
        form = yaml.safe_load(path.read_text())
        assert form.keys() == {"name", "description", "labels", "body"}
        for field in form["body"]:
            assert field["type"] in ("textarea", "input", "dropdown") and field["attributes"]["label"]
            assert field["type"] != "dropdown" or len(field["attributes"]["options"]) > 1
