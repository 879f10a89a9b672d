"""One process per run: a file that says who works on it.

The owner renews its lease with every sign of life, and learns there whether it still has it. Others take over when the
owner provably is gone (agents/run/identity.py), or when it has not renewed the lease for `STALE` seconds. That age is
measured with the clock of the file system, since hosts disagree about the time; and because that clock may jump, or
each host may stamp files with its own, the lease must then also stay untouched for a while under the eyes of the heir.

A lease is never judged and then removed, for in between it may have become somebody else's. Its heir is a new file
whose name comes from the token in the old lease: of several heirs exactly one can create it. It holds if the way from
`path` over heirs of heirs leads to it, and is renamed to `path` then. Giving a lease back begins with an heir, too.
Nothing but exclusive creation and renaming is asked of the file system: locks are missing on some.
"""

import contextlib
import hashlib
import json
import os
import secrets
import time
from pathlib import Path
from typing import Any, NamedTuple

from agents.run.files import beside
from agents.run.identity import identity, is_dead, name

STALE = float(os.environ.get("PAPER_ARCADE_STALE_SECONDS", "180"))  # without a renewal; one comes every few seconds
WATCH = 1 / 6  # of STALE, for which a stale lease is watched before it is taken over


class Held(Exception):
    """Another process works on this run; the text names it and when it was seen, `owner` tells it from others."""

    def __init__(self, text: str, owner: str):
        super().__init__(text)
        self.owner = owner


class Lost(Exception):
    """Another process took this run over, or somebody removed the lease: nothing of the run may be touched."""


class Seen(NamedTuple):
    """A lease as it was found."""

    token: str
    owner: dict[str, Any]  # empty where the file says nothing: its writer died, or has just created it
    renewed: int  # ns, of the clock that stamps this file


class Lease:
    """Take with `Lease(path)` (raises Held), renew now and then (raises Lost), release at the end. Raises OSError."""

    def __init__(self, path: Path, stale: float = STALE):
        self.path, self.stale = path, stale
        self._mine = {"token": secrets.token_hex(16), **identity()}
        for _ in range(100):
            last = _last(path)
            if last is not None and not self._has_ended(last):
                continue
            place = path if last is None else _heir(path, last.token)
            if not _create(place, self._mine):
                continue
            if self.is_mine():
                if place != path:
                    os.replace(place, path)
                    self._tidy()
                return
            place.unlink(missing_ok=True)  # of a lease that meanwhile was taken over or given back
        raise Held(f"other processes keep taking this run ({path})", "others")

    def renew(self) -> None:
        """Say that the owner lives. Raises Lost."""
        if not self.is_mine():
            last = _last(self.path)
            by = f"{name(last.owner)} took this run over" if last else "somebody removed the lease of this run"
            raise Lost(f"{by} ({self.path})")
        with contextlib.suppress(FileNotFoundError):  # removed since: the next renewal says so
            os.utime(self.path)

    def release(self) -> None:
        """Give the run back. What others took over is left alone."""
        if not self.is_mine():
            return
        end = _heir(self.path, self._mine["token"])
        try:
            if not _create(end, {**self._mine, "token": secrets.token_hex(16)}):
                return
        except OSError:
            pass  # a full disk, or the folder is gone: then without
        last = _look(self.path)
        if last and last.token == self._mine["token"]:
            self.path.unlink(missing_ok=True)
        end.unlink(missing_ok=True)

    def is_mine(self) -> bool:
        """Whether nobody took it over."""
        last = _last(self.path)
        return last is not None and last.token == self._mine["token"]

    def _has_ended(self, last: Seen) -> bool:
        """Whether the owner is gone. Raises Held if it lives; False if the lease changed hands meanwhile."""
        dead, age = is_dead(last.owner), self._age(last)
        if dead:
            return True
        if dead is None and abs(age) >= self.stale:  # a stamp from the future tells as little as an old one
            time.sleep(self.stale * WATCH)
            now = _last(self.path)
            if now is None or now.token != last.token or now.renewed == last.renewed:
                return now == last
            age = 0.0
        raise _held(self.path, last.owner, age, self.stale)

    def _age(self, last: Seen) -> float:
        """Seconds since the last renewal, by the clock of the file system."""
        probe = beside(self.path)
        try:
            with open(probe, "xb") as file:
                return (os.fstat(file.fileno()).st_mtime_ns - last.renewed) / 1e9
        finally:
            probe.unlink(missing_ok=True)

    def _tidy(self) -> None:
        """Remove heirs that no way leads to any more, left by processes that died while they took over."""
        mine = _heir(self.path, self._mine["token"])
        for path in self.path.parent.glob(f".{self.path.name}.*.heir"):
            if path != mine:
                path.unlink(missing_ok=True)


def living(path: Path, stale: float = STALE) -> str | None:
    """Who works on the run of a lease, in words; None if nobody does. A mere look, which writes nothing."""
    try:
        last = _last(path)
    except OSError:  # what cannot be looked at is nobody's, as far as planning goes
        return None
    if last is None or (dead := is_dead(last.owner)):
        return None
    return name(last.owner) if dead is False or abs(time.time() - last.renewed / 1e9) < stale else None


def _held(path: Path, owner: dict[str, Any], age: float, stale: float) -> Held:
    stuck = "; it may be stopped or stuck: let it go on, or end it" if age >= stale else ""
    who = name(owner)
    return Held(f"{who} works on this run, seen {max(0.0, age):.0f} s ago{stuck} ({path})", who)


def _heir(path: Path, token: str) -> Path:
    return path.with_name(f".{path.name}.{token}.heir")


def _last(path: Path) -> Seen | None:
    """The lease that holds: that of `path`, or its heir's heir's …; None if there is none."""
    last = _look(path)
    while last is not None and (heir := _look(_heir(path, last.token))) is not None:
        last = heir
    return last


def _look(path: Path) -> Seen | None:
    try:
        with open(path, "rb") as file:  # opening also makes a network file system look again
            data, renewed = file.read(), os.fstat(file.fileno()).st_mtime_ns
    except FileNotFoundError:
        return None
    try:
        owner = json.loads(data)
        owner = owner if isinstance(owner, dict) else {}
    except ValueError:
        owner = {}
    token = owner.get("token")
    if not (isinstance(token, str) and token.isalnum()):
        token = hashlib.sha256(data).hexdigest()[:32]
    return Seen(token, owner, renewed)


def _create(path: Path, body: dict[str, Any]) -> bool:
    """Write a file that is not there yet; False if it is. Raises OSError, leaving nothing."""
    try:
        handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
    except FileExistsError:
        return False
    try:
        with os.fdopen(handle, "w") as file:
            json.dump(body, file)
    except OSError:
        path.unlink(missing_ok=True)
        raise
    return True
