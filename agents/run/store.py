"""Finished runs, sealed by content: `<results>/store/<digest>/<code>/`, with a manifest of SHA-256 written last.

A sealed result is found by what was run (the spec's digest) and by what code ran it (the fingerprint), so neither
file times nor anybody's private records decide whether a run must be trained. Snakemake deletes the outputs that it
knows of before it starts a job again; what it knows of a run is only a small mark, `<results>/sealed/<run>/<code>`.
`<results>/runs/<run>/` are hard links for people to look at, copies where the file system has no links.

Knows the standard library only: the pipeline asks the same questions without waiting for torch.
"""

import contextlib
import errno
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from agents.run.code import CODE_DIGITS
from agents.run.files import beside, leftovers, seal_json, unseal_json, write_atomic

FORMAT = 1
MANIFEST, CODE = "manifest.json", "code.txt"
# A file system that cannot link here: another one, one without links, or one whose count of links is used up.
NO_LINKS = (errno.EXDEV, errno.EPERM, errno.EACCES, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK)


class Sealed(NamedTuple):
    """A result in the store. `files`: name -> size in bytes, SHA-256, and the modification time it was sealed with.

    `seen`: what the file system said of them just now, where it was asked.
    """

    folder: Path
    run: str
    digest: str
    fingerprint: str
    files: dict[str, dict[str, Any]]
    seen: Mapping[str, os.stat_result] = MappingProxyType({})


class Store:
    """The store of one results folder."""

    def __init__(self, results: Path | str):
        self.results = Path(results)
        self.path = self.results / "store"

    def folder(self, digest: str, code: str) -> Path:
        """Where the result of a spec (its whole digest) and a code (the beginning of its fingerprint) lies."""
        return Path(f"{self.path}/{digest}/{code[:CODE_DIGITS]}")

    def mark(self, run: str, code: str) -> Path:
        """The file that tells Snakemake that a run is finished."""
        return Path(f"{self.results}/sealed/{run}/{code[:CODE_DIGITS]}")

    def codes(self, digest: str) -> list[str]:
        """The codes whose results of a spec are whole, the newest first."""
        found = [path.parent for path in self.path.joinpath(digest).glob(f"[0-9a-f]*/{MANIFEST}")]
        found.sort(key=lambda folder: (folder / MANIFEST).stat().st_mtime_ns, reverse=True)
        return [folder.name for folder in found if problem(folder) is None]

    def seal(self, run: str, digest: str, fingerprint: str, write: Callable[[Path], None]) -> Path:
        """Keep what `write(folder)` writes; -> its folder. Raises OSError, and what was there before stays.

        Of two that seal the same result the first one's stays. What killed ones left half done is removed.
        """
        final, done = self.folder(digest, fingerprint), False
        part = beside(final)
        part.mkdir(parents=True)
        try:
            write(part)
            body = {"format": FORMAT, "run": run, "digest": digest, "fingerprint": fingerprint}
            files = {path.name: _describe(path) for path in sorted(part.iterdir())}
            write_atomic(part / MANIFEST, seal_json(body | {"files": files}))
            os.chmod(part / MANIFEST, 0o444)
            while (damaged := _damaged(final)) is not None:
                _move_aside(final, damaged)
                try:
                    part.rename(final)
                except OSError as error:
                    if error.errno not in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOENT) or not part.exists():
                        raise
            for folder in (final.parent, self.path, self.results):
                _sync(folder)
            done = True
        except FileNotFoundError:
            if problem(final, thorough=True) is not None:
                raise
            # Another one sealed it meanwhile, and took what was written here for left over.
        finally:
            for left in leftovers(final) if done else (part,):
                shutil.rmtree(left, ignore_errors=True)
        return final

    def show(self, sealed: Sealed) -> None:
        """Link a result into runs/<run>/, and mark it for Snakemake. Raises OSError."""
        for left in leftovers(sealed.folder):
            shutil.rmtree(left, ignore_errors=True)
        for again in (True, True, False):
            try:
                return self._show(sealed)
            except FileNotFoundError:  # another one shows it too, and took a temporary file for left over
                if not again:
                    raise

    def _show(self, sealed: Sealed) -> None:
        shown = self.results / "runs" / sealed.run
        shown.mkdir(parents=True, exist_ok=True)
        for name in sealed.files:
            if name != CODE:
                place(sealed.folder / name, shown / name)
                for left in leftovers(shown / name):
                    left.unlink(missing_ok=True)
        mark = self.mark(sealed.run, sealed.fingerprint)
        seal = json.loads((sealed.folder / MANIFEST).read_bytes())["seal"].encode()
        if not mark.exists() or mark.read_bytes() != seal:
            mark.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(mark, seal)
        when = (sealed.folder / MANIFEST).stat().st_mtime_ns  # as old as the result: its scores stay as they are
        if mark.stat().st_mtime_ns != when:
            os.utime(mark, ns=(when, when))
        for left in leftovers(mark):
            left.unlink(missing_ok=True)

    def is_shown(self, sealed: Sealed) -> bool:
        """Whether `show` would find nothing to do."""
        shown, mark = f"{self.results}/runs/{sealed.run}", self.mark(sealed.run, sealed.fingerprint)
        names = [name for name in sealed.files if name != CODE]
        seen = sealed.seen
        return os.path.exists(mark) and all(
            _same(seen.get(name) or f"{sealed.folder}/{name}", f"{shown}/{name}") for name in names
        )

    def results_of(self, digest: str = "*") -> Iterator[Path]:
        """The folders of all results, whole or not."""
        return (folder for folder in self.path.glob(f"{digest}/[0-9a-f]*") if folder.is_dir())


def _damaged(folder: Path) -> int | None:
    """None where a whole result lies; else the inode of what is there, 0 where nothing is."""
    inode = _inode(folder)  # before it is read
    return None if problem(folder, thorough=True) is None else inode


def _inode(folder: Path) -> int:
    try:
        return folder.stat().st_ino
    except FileNotFoundError:
        return 0


def _move_aside(folder: Path, damaged: int) -> None:
    """Remove a damaged folder, unless another process has put a whole one in its place since it was read."""
    if not damaged or _inode(folder) != damaged:
        return
    aside = beside(folder)
    with contextlib.suppress(FileNotFoundError):  # another one moved it
        folder.rename(aside)
        if problem(aside, thorough=True) is None:
            with contextlib.suppress(OSError):  # another whole one is there already
                aside.rename(folder)
    shutil.rmtree(aside, ignore_errors=True)


def read(folder: Path) -> Sealed:
    """The result in a folder, by its manifest. Raises OSError if there is none, ValueError if it is damaged."""
    with open(f"{folder}/{MANIFEST}", "rb") as file:
        body = unseal_json(file.read())
    if body["format"] != FORMAT:
        raise ValueError(f"it has format {body['format']}, this program writes {FORMAT}")
    if [body["digest"], body["fingerprint"][:CODE_DIGITS]] != str(folder).split(os.sep)[-2:]:
        raise ValueError("it belongs to another run or code")
    return Sealed(folder, body["run"], body["digest"], body["fingerprint"], body["files"])


def problem(folder: Path, thorough: bool = False) -> str | None:
    """What is wrong with the sealed result in a folder, in a few words; None if it is whole.

    A file of the right size that was not written to since it was sealed is taken as whole; `thorough` looks into
    every file.
    """
    found = look(folder, thorough)
    return found if isinstance(found, str) else None


def look(folder: Path, thorough: bool = False) -> Sealed | str:
    """The result in a folder if it is whole, else what `problem` says."""
    try:
        sealed = read(folder)
    except FileNotFoundError:
        return "there is none"
    except (OSError, ValueError, KeyError, TypeError) as error:
        return f"{MANIFEST} is damaged ({error})"
    seen = {}
    for name, known in sealed.files.items():
        try:
            found = seen[name] = os.stat(f"{folder}/{name}")  # of thousands of runs: making a Path takes longer
            if found.st_size != known["size"]:
                return f"{name} has {found.st_size} bytes in place of {known['size']}"
            if (thorough or found.st_mtime_ns != known["mtime_ns"]) and digest_of(folder / name) != known["sha256"]:
                return f"{name} is damaged: its checksum does not fit"
        except FileNotFoundError:
            return f"{name} is missing"
        except OSError as error:
            return f"{name} cannot be read ({error.strerror})"
    return sealed._replace(seen=seen)


def refresh(sealed: Sealed) -> None:
    """Give files that were copied or touched, and found whole, their times again, so that they need no second look."""
    for name, known in sealed.files.items():
        path = f"{sealed.folder}/{name}"
        if os.stat(path).st_mtime_ns != known["mtime_ns"]:
            os.utime(path, ns=(known["mtime_ns"], known["mtime_ns"]))


def place(source: Path, target: Path) -> None:
    """Make `target` the file `source`: a hard link, or a copy where there can be none. Raises OSError."""
    if _same(source, target):
        return
    part = beside(target)
    try:
        try:
            os.link(source, part)
        except OSError as error:
            if error.errno not in NO_LINKS:
                raise
            shutil.copy2(source, part)
        os.replace(part, target)
    finally:
        part.unlink(missing_ok=True)


def _same(a: Path | str | os.stat_result, b: Path | str) -> bool:
    """Whether two paths (the first one may have been looked at) are one file, or copies not written to since."""
    try:
        one, two = a if isinstance(a, os.stat_result) else os.stat(a), os.stat(b)
    except OSError:
        return False
    linked = (one.st_dev, one.st_ino) == (two.st_dev, two.st_ino)
    return linked or (one.st_size, one.st_mtime_ns) == (two.st_size, two.st_mtime_ns)


def digest_of(path: Path) -> str:
    """The SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _describe(path: Path) -> dict[str, Any]:
    os.chmod(path, 0o444)  # links are the same file: an editor that saves into one must not change the sealed result
    found = path.stat()
    return {"size": found.st_size, "sha256": digest_of(path), "mtime_ns": found.st_mtime_ns}


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
