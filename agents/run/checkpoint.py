"""Checkpoints: one transaction for parameters, random states, replay rows and log rows.

A checkpoint is a manifest that names immutable files with their SHA-256. It is written last, by rename; a file
that no manifest names does not exist for us. So whatever the moment of a crash, the newest whole manifest is a
consistent run. Replay rows and log rows are appended as new files: the cost of a save is what is new since the
last one. The previous manifest and its files are kept in case the newest is damaged.

Nothing is pickled: tensors, numbers, strings, lists and dicts only (torch.load with weights_only).
"""

import io
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from agents.run.files import seal_json, sha256, unseal_json, write_atomic

FORMAT = 1
MERGE_PARTS = 32  # log parts of one table before they are joined into one file


class Damaged(Exception):
    """A checkpoint that must not be loaded; the text says why."""


class Saved(NamedTuple):
    state: dict[str, Any]
    segments: Iterator[tuple[int, dict[str, np.ndarray]]]  # first row number, arrays


def encode(value: Any) -> Any:
    """Arrays become marked tensors, numpy scalars plain numbers; everything else must be plain already."""
    if isinstance(value, np.ndarray):
        return {"__array__": torch.from_numpy(np.array(value))}
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, dict):
        return {key: encode(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [encode(item) for item in value]
    return value


def decode(value: Any) -> Any:
    if isinstance(value, dict):
        if set(value) == {"__array__"}:
            return value["__array__"].numpy()
        return {key: decode(item) for key, item in value.items()}
    if isinstance(value, list):
        return [decode(item) for item in value]
    return value


def _pack(value: Any) -> bytes:
    raw = io.BytesIO()
    torch.save(encode(value), raw)
    packed = pa.BufferOutputStream()
    with pa.CompressedOutputStream(packed, "zstd") as out:
        out.write(raw.getbuffer())
    return packed.getvalue().to_pybytes()


def _unpack(data: bytes) -> Any:
    with pa.CompressedInputStream(pa.BufferReader(data), "zstd") as source:
        return decode(torch.load(io.BytesIO(source.read()), weights_only=True))


class Checkpoints:
    """The checkpoints of one run in `folder`. `identity` names what must agree for a resume (digest, code …).

    `check` raises when others have taken this run over; it is called before anything here is written or removed.
    """

    def __init__(
        self,
        folder: Path,
        identity: dict[str, Any],
        say: Callable[[str], None],
        check: Callable[[], None] = lambda: None,
    ):
        self.folder, self.identity, self.say, self.check = folder, identity, say, check
        self.folder.mkdir(parents=True, exist_ok=True)
        self._number = max((int(path.stem[9:]) for path in self._manifests()), default=0)
        self._good: set[str] = set()  # the newest manifest that this process wrote or loaded, and the files it names
        self._parts: dict[str, list[str]] = {}
        self._segments: list[dict[str, Any]] = []
        self._sums: dict[str, str] = {}  # file name -> SHA-256 of the files in use

    def _manifests(self) -> list[Path]:
        """Newest first."""
        found = [path for path in self.folder.glob("manifest-*.json") if path.stem[9:].isdigit()]
        return sorted(found, key=lambda path: int(path.stem[9:]), reverse=True)

    def save(
        self,
        state: dict[str, Any],
        tables: dict[str, pa.Table],
        rows: Iterable[tuple[int, dict[str, np.ndarray]]] = (),
        oldest_row: int = 0,
    ) -> None:
        """Commit `state`, the new log rows and the new replay rows: pieces of them, each with its first row's number.

        Segments that end before `oldest_row` are no longer part of the replay. Raises OSError when the disk
        does not take it; the checkpoints that were there stay valid.
        """
        number = self._number + 1
        segments = [s for s in self._segments if s["stop"] > oldest_row]
        state_name = f"state-{number}.zst"
        parts, written = self._extended(tables, number)
        files: dict[str, bytes] = {state_name: _pack(state), **written}
        for k, (first, arrays) in enumerate(rows):
            name = f"replay-{number}-{k}.zst"
            segments.append({"file": name, "start": first, "stop": first + len(arrays["obs"])})
            files[name] = _pack(arrays)
        sums = {**self._sums, **{name: sha256(data) for name, data in files.items()}}
        named = [state_name, *(s["file"] for s in segments), *(f for known in parts.values() for f in known)]
        body = {
            "format": FORMAT,
            "number": number,
            "frame": state.get("frame"),  # for people who ask how far the run is
            "identity": self.identity,
            "state": state_name,
            "parts": parts,
            "segments": segments,
            "sha256": {name: sums[name] for name in sorted(named)},
        }
        manifest = self.folder / f"manifest-{number}.json"
        try:
            for name, data in files.items():
                self.check()
                write_atomic(self.folder / name, data)
            self.check()
            write_atomic(manifest, seal_json(body))
        except OSError:
            self.check()
            for name in files:  # on a full disk they would stand in the way of what comes next
                (self.folder / name).unlink(missing_ok=True)
            raise
        self._number, self._parts, self._segments, self._sums = number, parts, segments, body["sha256"]
        newest = {manifest.name, *named}
        self.check()
        self._prune(newest | self._good)
        self._good = newest

    def _extended(self, tables: dict[str, pa.Table], number: int) -> tuple[dict[str, list[str]], dict[str, bytes]]:
        """(table -> the files of its rows with the new ones, name -> content of the files to be written)."""
        parts, files = {name: list(known) for name, known in self._parts.items()}, {}
        for table, fresh in tables.items():
            known = parts.setdefault(table, [])
            if len(known) >= MERGE_PARTS:
                fresh = pa.concat_tables([*(self._table(name) for name in known), fresh])
                known.clear()
            if len(fresh):
                sink = pa.BufferOutputStream()
                pq.write_table(fresh, sink, compression="zstd")
                known.append(f"{table}-{number}.parquet")
                files[known[-1]] = sink.getvalue().to_pybytes()
        return parts, files

    def load(self) -> Saved | None:
        """The newest whole checkpoint of this very run, or None; damaged and foreign ones are named, not used."""
        for path in self._manifests():
            try:
                body = self._read(path)
                data = {name: self._file(name, digest) for name, digest in body["sha256"].items()}
            except Damaged as why:
                self.say(f"{path.name} is not used: {why}")
                continue
            self._parts, self._segments, self._sums = body["parts"], body["segments"], body["sha256"]
            self._good = {path.name, *body["sha256"]}
            segments = ((s["start"], _unpack(data[s["file"]])) for s in body["segments"])
            return Saved(_unpack(data[body["state"]]), segments)
        return None

    def history(self, table: str) -> list[pa.Table]:
        """The log rows committed so far, in order."""
        return [self._table(name) for name in self._parts.get(table, [])]

    def _read(self, path: Path) -> dict[str, Any]:
        try:
            body = unseal_json(path.read_bytes())
        except (ValueError, OSError) as error:
            raise Damaged(f"it cannot be read ({error})") from None
        if body["format"] != FORMAT:
            raise Damaged(f"it has format {body['format']}, this program writes {FORMAT}")
        for key, wanted in self.identity.items():
            if body["identity"].get(key) != wanted:
                raise Damaged(f"it belongs to another {key}: {body['identity'].get(key)!r}, this run has {wanted!r}")
        return body

    def _file(self, name: str, digest: str) -> bytes:
        try:
            data = (self.folder / name).read_bytes()
        except OSError as error:
            raise Damaged(f"{name} cannot be read ({error.strerror})") from None
        if sha256(data) != digest:
            raise Damaged(f"{name} is damaged: its checksum does not fit")
        return data

    def _table(self, name: str) -> pa.Table:
        return pq.ParquetFile(pa.BufferReader(self._file(name, self._sums[name]))).read(use_threads=False)

    def _prune(self, keep: set[str]) -> None:
        """Remove what the two newest good manifests do not name."""
        for path in self.folder.iterdir():
            if path.name not in keep:
                path.unlink(missing_ok=True)
