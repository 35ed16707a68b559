"""Find orphans: files of an output that nothing names, left by tasks and processes that died.

A run writes parts to the store before a wave record names them. So only a process that holds the
output, and has carried out the wave records, can distinguish an orphan from a part that will be
published. Compactions do not hold the output; their files are kept for at least an hour.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from deltalake import DeltaTable

from steeldefect.publish.lease import FOLDER as LOCKS
from steeldefect.publish.wave_records import pending_records, read_record
from steeldefect.stores import ObjectInfo, Store
from steeldefect.stores.local import LocalStore
from steeldefect.tables.data_files import data_files
from steeldefect.tables.delta import Tables
from steeldefect.tables.log_entries import newest_actions
from steeldefect.tables.schema import TableName

_DATA = re.compile(r".*\.parquet")
_UNFINISHED = re.compile(r".*\.parquet#\d+|_delta_log/_commit_[^/]*\.tmp")
"""Files that the Delta library leaves if its process dies while it writes to a folder."""

_STAGED = ".staged-"  # prefix of the names of files that a `LocalStore` is writing

_UNHELD = re.compile(
    r"(.*/)?(part-compacted-[^/]*|\.staged-[^/]*|[^/]*\.parquet#\d+|_commit_[^/]*\.tmp)"
)
"""Files that a process may be writing without holding the output."""

_SPARED = timedelta(hours=1)  # a compaction commits its files within this time


def find_orphans(
    store: Store, tables: Tables, now: datetime, min_age: timedelta
) -> list[ObjectInfo]:
    """List the files that no table and no wave record names.

    Files of earlier versions of a table are not listed: vacuuming deletes those.

    Args:
        store: the output. If the caller does not hold it, some of the files may be published later.
        tables: tables of the output.
        now: present time by the store's clock.
        min_age: smallest age of the listed files. For files that a compaction may still commit,
            the smallest age is at least one hour.

    Raises:
        TableError: a wave record or a table cannot be read.
        StoreError: the store refused, or does not answer.
    """
    named = {
        part.key
        for key in pending_records(store)
        if (record := read_record(store, key))
        for part in record.parts
    }
    found = [one for table in TableName for one in _orphans_of(store, tables, table)]
    found += staged_files(store)
    return [
        one
        for one in found
        if one.key not in named and one.modified < now - _least_age(one.key, min_age)
    ]


def _least_age(key: str, min_age: timedelta) -> timedelta:
    return max(min_age, _SPARED) if _UNHELD.fullmatch(key) else min_age


def staged_files(store: Store) -> Iterator[ObjectInfo]:
    """Yield unfinished files of writes to a folder; listings of the store do not show them."""
    if not isinstance(store, LocalStore):
        return
    for folder, _, names in os.walk(store.uri):
        for name in names:
            path = Path(folder, name)
            if name.startswith(_STAGED) and path.is_file():
                status = path.stat()
                modified = datetime.fromtimestamp(status.st_mtime, UTC)
                key = path.relative_to(store.uri).as_posix()
                yield ObjectInfo(key, "", status.st_size, modified)


def _orphans_of(store: Store, tables: Tables, table: TableName) -> Iterator[ObjectInfo]:
    listing = list(store.scan(f"{table.value}/"))
    # opened after the listing, so that a file that is committed meanwhile is not an orphan
    delta = tables.open(table)
    if delta is None:
        return
    with tables.errors_of(table):
        untracked = _untracked(store, table, delta)
    for one in listing:
        path = one.key.removeprefix(f"{table.value}/")
        if path in untracked or _UNFINISHED.fullmatch(path):
            yield one


def _untracked(store: Store, table: TableName, delta: DeltaTable) -> set[str]:
    """Return the paths of data files that neither the newest nor a retained version names.

    What the newest entries of the log name is read a second time, by this program: if the Delta
    library misses an entry, no file is deleted for that.
    """
    everything = set(_vacuumable(delta, full=True))
    earlier = set(_vacuumable(delta, full=False))
    named = set(newest_actions(store, table, delta.version()).held)
    named |= {file.path for file in data_files(store, table, delta)}
    return {path for path in everything - earlier - named if _DATA.fullmatch(path)}


def _vacuumable(delta: DeltaTable, full: bool) -> Iterable[str]:
    """List the files that vacuuming would delete with a retention of 0.

    The Delta library keeps a file whose removal lies in the future by this host's clock, and so
    does a full vacuum.
    """
    found: list[str] = delta.vacuum(
        retention_hours=0, dry_run=True, enforce_retention_duration=False, full=full
    )
    return found


def store_clock(store: Store) -> datetime:
    """Return the time by the store's clock, or by this host's clock if that is behind.

    Args:
        store: the output. The caller holds it, so its newest lock was written a moment ago.
    """
    return min(max(found.modified for found in store.scan(LOCKS)), datetime.now(UTC))
