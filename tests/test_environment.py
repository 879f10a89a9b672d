"""pyproject.toml, requirements.lock, environment.yml and what is installed must agree on the versions."""

import re
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]
FOR_FEW = ("ray", "tensorboard", "wandb")
CONDA_NAMES = {"pytorch": "torch", "matplotlib-base": "matplotlib"}


def read_lock() -> dict[str, str]:
    """Package -> exact version. Fails on anything but plain `name==version` lines and comments."""
    text = (ROOT / "requirements.lock").read_text()
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    assert not [line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][0-9a-z.]*", line)]
    assert lines == sorted(lines, key=str.lower)
    pairs = [line.split("==") for line in lines]
    lock = {canonicalize_name(name): version for name, version in pairs}
    assert len(lock) == len(pairs), "a package is there twice"
    return lock


def read_direct() -> dict[str, Requirement]:
    """Package -> the range that pyproject.toml asks for, tests and lint included, without what only few need."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    groups = [project["dependencies"], *(extras[name] for name in extras if name not in FOR_FEW)]
    requirements = [Requirement(text) for group in groups for text in group]
    return {canonicalize_name(requirement.name): requirement for requirement in requirements}


def read_conda() -> dict[str, str]:
    """Package, by its PyPI name -> exact version. Without Python and pip, which the lock cannot hold."""
    entries = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    from_conda = [entry for entry in entries if isinstance(entry, str)]
    from_pip = [text for entry in entries if isinstance(entry, dict) for text in entry["pip"]]
    pairs = [entry.split("=") for entry in from_conda if entry not in ("python=3.11", "pip")]
    pairs += [text.split("==") for text in from_pip]
    return {canonicalize_name(CONDA_NAMES.get(name, name)): version for name, version in pairs}


def test_lock_is_within_the_ranges():
    lock = read_lock()
    direct = read_direct()
    assert direct.keys() <= lock.keys()
    assert [name for name in direct if not direct[name].specifier.contains(lock[name])] == []


def test_lock_holds_all_that_its_packages_need():
    """The closure, by the requirements that the installed packages declare for this platform."""
    lock = read_lock()
    missing = set()
    for name in lock:
        for text in metadata.requires(name) or []:
            requirement = Requirement(text)
            if not requirement.marker or requirement.marker.evaluate({"extra": ""}):
                if canonicalize_name(requirement.name) not in lock:
                    missing.add((name, requirement.name))
    # Builds of torch for a GPU bring their own libraries, which a lock for all platforms leaves to pip.
    assert not {pair for pair in missing if pair[0] != "torch"}


def test_conda_environment_names_the_direct_packages_with_the_locks_versions():
    lock = read_lock()
    assert read_conda() == {name: lock[name] for name in read_direct()}


def test_installed_versions_are_the_locks():
    lock = read_lock()
    installed = {name: Version(metadata.version(name)).public for name in lock}
    assert installed == lock


def test_every_package_works_with_the_oldest_python_that_is_let_in():
    """Debian's own Python stays at an early 3.11: what is locked on a newer one must install there, too."""
    oldest = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"].removeprefix(">=")
    assert oldest == "3.11"
    needed = {name: metadata.metadata(name)["Requires-Python"] or "" for name in read_lock()}
    assert {name: python for name, python in needed.items() if f"{oldest}.0" not in SpecifierSet(python)} == {}


@pytest.mark.parametrize("part", ["", "-jobstep"])
def test_the_executor_is_pinned_exactly(part):
    """What the profile says of the executor (no arrays, no groups) was found true of this version alone."""
    name = f"snakemake-executor-plugin-slurm{part}"
    assert str(read_direct()[name].specifier) == f"=={read_lock()[name]}"
