"""Find damage in the log of a Delta table, from a listing and, if necessary, from the entries.

Delta's protocol ("Delta Log Entries", "Checkpoints"): a reader reads the newest checkpoint and all
entries after it, without a gap. Without a checkpoint, it reads all entries, and the first entry
states the schema.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

import pyarrow as pa
import pyarrow.parquet as pq

from steeldefect.stores import ObjectInfo, Store
from steeldefect.tables.log_entries import CHECKPOINT, ENTRY, log_folder, parse_entry
from steeldefect.tables.schema import TableName

_HINT = "_last_checkpoint"


class Fault(str, Enum):
    """The kinds of damage to a log.

    `start`: no entry states the schema. `entry`: an entry is gone, empty or damaged. `checkpoint`:
    the newest checkpoint is damaged. `hint`: `_last_checkpoint` names a checkpoint that is gone or
    empty.
    """

    START = "start"
    ENTRY = "entry"
    CHECKPOINT = "checkpoint"
    HINT = "hint"


@dataclass(frozen=True)
class LogFault:
    """One fault of a log.

    Attributes:
        kind: kind of the fault.
        version: version of the entry or checkpoint.
        detail: what is wrong, in words.
        damaged: keys of the objects that exist and have to be set aside.
    """

    kind: Fault
    version: int
    detail: str
    damaged: tuple[str, ...] = ()


class DeltaLog:
    """The log of one table, as a listing shows it."""

    def __init__(self, table: TableName, found: Iterable[ObjectInfo]) -> None:
        """Keep the log's entries, checkpoints and hint; nothing is read yet.

        Args:
            table: table that the log belongs to.
            found: listing of the table's objects, or of more.
        """
        self._folder = log_folder(table)
        self._entries: dict[int, ObjectInfo] = {}
        self._checkpoints: dict[int, list[ObjectInfo]] = {}
        self._hint: ObjectInfo | None = None
        for one in found:
            if one.key.startswith(self._folder):
                self._sort_in(one)

    @property
    def newest_checkpoint(self) -> int:
        """Version of the newest checkpoint whose files are not empty; -1 if there is none."""
        whole = (
            version
            for version, files in self._checkpoints.items()
            if all(file.size > 0 for file in files)
        )
        return max(whole, default=-1)

    def emptied(self) -> list[LogFault]:
        """List the faults of empty entries after the newest checkpoint.

        Readers skip empty entries without an error.
        """
        return [
            LogFault(Fault.ENTRY, version, f"entry {version} of its log is empty", (entry.key,))
            for version, entry in sorted(self._entries.items())
            if entry.size == 0 and version > self.newest_checkpoint
        ]

    def faults(self, store: Store) -> list[LogFault]:
        """Find why a table cannot be opened.

        The method reads the entries after the newest checkpoint, and the checkpoint.

        Returns:
            The faults that this program can detect; empty if there are none.

        Raises:
            StoreError: the store refused, or does not answer.
        """
        hint = self._check_hint(store)
        if hint:
            return [hint]
        counting = [version for version in self._entries if version > self.newest_checkpoint]
        if not counting:
            return self._check_checkpoint(store)
        faults: list[LogFault] = []
        stated: set[str] = set()
        first = min(counting) if self.newest_checkpoint < 0 else self.newest_checkpoint + 1
        for version in range(first, max(counting) + 1):
            problem = self._read(store, version, stated)
            if problem:
                keys = (self._entries[version].key,) if version in self._entries else ()
                faults.append(LogFault(Fault.ENTRY, version, problem, keys))
        if self.newest_checkpoint < 0:
            return self._check_start(first, stated, faults)
        return faults or self._check_checkpoint(store)

    def _sort_in(self, one: ObjectInfo) -> None:
        name = one.key.removeprefix(self._folder)
        if entry := ENTRY.fullmatch(name):
            self._entries[int(entry[1])] = one
        elif checkpoint := CHECKPOINT.fullmatch(name):
            self._checkpoints.setdefault(int(checkpoint[1]), []).append(one)
        elif name == _HINT:
            self._hint = one

    def _read(self, store: Store, version: int, stated: set[str]) -> str | None:
        """Read one entry, and return its problem, if any.

        Args:
            store: the output.
            version: version of the entry.
            stated: set to which the kinds of the entry's actions are added.
        """
        entry = self._entries.get(version)
        if entry is None:
            return f"entry {version} of its log is gone"
        if entry.size == 0:
            return f"entry {version} of its log is empty"
        try:
            actions = parse_entry(store.read(entry.key))
        except ValueError:
            return f"entry {version} of its log is damaged"
        stated.update(name for action in actions for name in action)
        return None

    def _check_start(self, first: int, stated: set[str], faults: list[LogFault]) -> list[LogFault]:
        """Add a fault if no entry states the schema; it replaces the fault of the first entry."""
        if {"protocol", "metaData"} <= stated:
            return faults
        broken = [fault for fault in faults if fault.version == first]
        entry = self._entries[first].key
        if broken or first == 0:
            start = LogFault(
                Fault.START, first, f"entry {first} of its log does not state the schema", (entry,)
            )
        else:
            detail = f"its log begins with entry {first}, and no entry states the schema"
            start = LogFault(Fault.START, first - 1, detail)
        return [start, *(fault for fault in faults if fault.version != first)]

    def _check_hint(self, store: Store) -> LogFault | None:
        if self._hint is None:
            return None
        try:
            version = int(json.loads(store.read(self._hint.key))["version"])
        except (ValueError, KeyError, TypeError):
            return None  # readers ignore such a hint
        files = self._checkpoints.get(version, [])
        if version <= self.newest_checkpoint or (files and all(file.size for file in files)):
            return None
        detail = f"the checkpoint of version {version} is gone or empty"
        keys = (self._hint.key, *(file.key for file in files))
        return LogFault(Fault.HINT, version, detail, keys)

    def _check_checkpoint(self, store: Store) -> list[LogFault]:
        version = self.newest_checkpoint
        files = self._checkpoints.get(version, [])
        if all(_is_readable(file.key, store.read(file.key)) for file in files):
            return []
        keys = tuple(file.key for file in files)
        hint = (self._hint.key,) if self._hint else ()
        detail = f"the checkpoint of version {version} is damaged"
        return [LogFault(Fault.CHECKPOINT, version, detail, keys + hint)]


def _is_readable(key: str, content: bytes) -> bool:
    """Return whether a checkpoint's file can be read to its end."""
    try:
        if key.endswith(".json"):
            parse_entry(content)
        else:
            pq.read_table(io.BytesIO(content))
    except (ValueError, OSError, pa.ArrowException):
        return False
    return True
