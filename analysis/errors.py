"""One kind of error for everything a user can put right; the command line prints it as one line."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """A mistake in the input, worded for the person who made it."""


class NoData(UserError):
    """The input is right, but no run has anything for it: a figure or table shows this reason; it is no failure."""


def unknown(what: str, name: object, choices: Iterable[object], where: str = "") -> UserError:
    """'unknown game 'pongg' in X; did you mean 'pong'?'; without a near choice, the known ones."""
    known = sorted(str(choice) for choice in choices)
    near = difflib.get_close_matches(str(name), known, n=1, cutoff=0.5)
    if near:
        hint = f"; did you mean {near[0]!r}?"
    elif known:
        hint = f"; known: {', '.join(known[:12])}{', …' if len(known) > 12 else ''}"
    else:
        hint = "; none is known"
    return UserError(f"unknown {what} {name!r}{f' in {where}' if where else ''}{hint}")
