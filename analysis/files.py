"""Writing results so that a reader never sees half a file and equal content gives equal bytes."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.errors import UserError


def write_atomic(path: Path, write: Callable[[Path], None]) -> None:
    """Call `write` with a temporary path beside `path`, then rename it into place; OSError -> UserError."""
    # Nobody else's, on any host that shares the folder, and no longer than a file's name may be.
    temporary = path.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(temporary)
        os.replace(temporary, path)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        with contextlib.suppress(OSError):  # the folder itself may be what failed
            temporary.unlink()


def write_text(path: Path, text: str) -> None:
    """As `write_atomic`: UTF-8, with line ends as they are. UserError where it cannot be written."""
    write_atomic(path, lambda temporary: temporary.write_text(text, encoding="utf-8", newline="\n"))


def dump_json(value: Any) -> str:
    """JSON with sorted keys and a final newline; ValueError for NaN (callers write null)."""
    return json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"


def read_json(path: Path) -> Any:
    """A file's JSON; UserError names the file that is missing, unreadable or no JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"no such file: {path}") from None
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise UserError(f"cannot read {path} as JSON: {error}") from error


def target(out: Path, suffix: str) -> Path:
    """'a/b.c' and 'csv' -> 'a/b.c.csv': ids may hold a dot."""
    return out.with_name(f"{out.name}.{suffix}")


def csv_text(data: pd.DataFrame) -> str:
    """Numbers with all their digits; columns without any value are left out, unless there is no row at all."""
    return (data.dropna(axis=1, how="all") if len(data) else data).to_csv(index=False, lineterminator="\n")


def resolve(target: str) -> Callable[..., Any]:
    """'module:function' -> the function, imported now."""
    module, _, name = target.partition(":")
    return getattr(importlib.import_module(module), name)
