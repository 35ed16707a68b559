"""Compact tables: merge small data files into large ones, per partition, even beside a run.

Why not `optimize.compact` of the Delta library: two such compactions at the same time duplicate the
rows, because deltalake 1.6 does not look for conflicts between them. `exchange_files` commits only
if nobody else has replaced the files.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

import pyarrow as pa
from deltalake import DeltaTable

from steeldefect.stores import Store
from steeldefect.streams import in_batches
from steeldefect.tables.data_files import DataFile, data_files, read_files
from steeldefect.tables.delta import Tables
from steeldefect.tables.exchange import exchange_files
from steeldefect.tables.parts import Part, part_name, write_file
from steeldefect.tables.schema import TableName

TARGET = 32 * 2**20
"""Largest size in bytes of the files merged into one; merging takes about 5 times this memory."""

_IN_ONE_COMMIT = 50  # compacted files that one commit adds


class Compacted(NamedTuple):
    """The number of data files before and after a compaction; files that stay are not counted."""

    before: int = 0
    after: int = 0


def plan_compaction(files: Sequence[DataFile], target: int = TARGET) -> list[list[DataFile]]:
    """Group the small data files of each partition; each group becomes one file.

    A file of at least half the target stays as it is, and so does a file without others to merge
    with. Files are sorted by run, so that readers can still skip files by the run id.

    Args:
        files: data files of one table.
        target: largest total size of a group in bytes.
    """
    small = sorted(
        (file for file in files if file.size < target // 2),
        key=lambda file: (file.date, file.first_run or "", file.path),
    )
    groups: list[list[DataFile]] = []
    for _, partition in groupby(small, key=lambda file: file.date):
        groups += [group for group in _cut(list(partition), target) if len(group) > 1]
    return groups


def compact(store: Store, tables: Tables, table: TableName, target: int = TARGET) -> Compacted:
    """Compact one table; a run may publish, and readers may read, at the same time.

    The old files stay on the store until the table is vacuumed.

    Args:
        store: the output.
        tables: tables of the output.
        table: table to compact.
        target: largest total size in bytes of the files merged into one.

    Raises:
        UnreadableFileError: a file is damaged; what was committed stays.
        TableError: another program has given the table features that its files do not show.
        OutputBusyError: another program changed the same files; what was committed stays.
        StoreError: the store refused, or does not answer.
    """
    delta = tables.open(table)
    if delta is None:
        return Compacted()
    before = after = 0
    for groups in in_batches(
        plan_compaction(data_files(store, table, delta), target), _IN_ONE_COMMIT
    ):
        removed = [file for group in groups for file in group]
        added = [_merge(store, delta, table, group) for group in groups]
        exchange_files(tables, table, removed, added, data_change=False)
        before += len(removed)
        after += len(added)
    return Compacted(before, after)


def _cut(files: list[DataFile], target: int) -> Iterator[list[DataFile]]:
    group: list[DataFile] = []
    for file in files:
        if group and sum(one.size for one in group) + file.size > target:
            yield group
            group = []
        group.append(file)
    yield group


def _merge(store: Store, delta: DeltaTable, table: TableName, group: Sequence[DataFile]) -> Part:
    """Write the rows of a group of data files as one new part."""
    rows = [rows for _, rows in read_files(store, table, delta, group)]
    name = part_name(f"compacted-{uuid.uuid4().hex}")
    return write_file(store, table, pa.concat_tables(rows).combine_chunks(), group[0].date, name)
