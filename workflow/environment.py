"""How Snakemake is started, and what it and its jobs find in their environment."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from workflow.context import Context

NO_TRAINING = "PAPER_ARCADE_NO_TRAINING"  # makes a dry run look at what is drawn alone, the runs taken as finished


def set_for_jobs(context: Context) -> None:
    """What the rules' shells find: our packages, a `python`, and the switch that must not be a parameter.

    `python` is that of the activated environment, else the one that runs Snakemake.
    """
    activated = os.environ.get("VIRTUAL_ENV") or os.environ.get("CONDA_PREFIX")
    if not activated or not shutil.which("python"):
        os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    os.environ["PYTHONPATH"] = str(context.root)
    accept = context.config.code_changes == "ignore"
    os.environ["ACCEPT_CODE_CHANGES"] = "--accept-code-changes" if accept else ""


def snakemake_command(context: Context, targets: list[str], *options: str) -> list[str]:
    """Snakemake here, with the local profile. `--config` comes last: it takes all words up to an option."""
    profile = context.root / "workflow" / "profiles" / "local"
    command = [sys.executable, "-m", "snakemake", *targets, "--snakefile", str(context.root / "Snakefile")]
    command += ["--profile", str(profile), "--nocolor", *options]
    command += config_words(context.project.overrides)
    return command


def config_words(overrides: Mapping[str, Any]) -> list[str]:
    """`--config` for Snakemake, whose own reading of a value knows no JSON escapes: letters go as they are."""
    words = [f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in overrides.items()]
    return ["--config", *words] if words else []


def snakemake_environment(context: Context) -> dict[str, str]:
    """What Snakemake and its jobs write is UTF-8, which is read here, whatever the terminal can show."""
    fixed = {"PYTHONPATH": str(context.root), "PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1", "PYTHONIOENCODING": "utf-8"}
    return os.environ | fixed
