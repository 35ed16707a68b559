"""The pieces of a commit to a Delta table: its transaction, and the files it adds and removes."""

from __future__ import annotations

import time

from deltalake import CommitProperties, Transaction
from deltalake.transaction import AddAction, RemoveAction

from steeldefect.tables.data_files import DataFile
from steeldefect.tables.parts import Part
from steeldefect.tables.schema import PARTITION


def named_commit(name: str, number: int, max_commit_retries: int | None = None) -> CommitProperties:
    """Return a commit's properties: its transaction, and the Delta library's retries.

    With `max_commit_retries=0` the commit becomes the version after the opened one, or fails.
    """
    return CommitProperties(
        max_commit_retries=max_commit_retries,
        app_transactions=[Transaction(name, number, _now_ms())],
    )


def add_action(part: Part, data_change: bool = True) -> AddAction:
    """Return the entry of the log that adds a part."""
    return AddAction(
        path=part.path,
        size=part.size,
        partition_values={PARTITION: part.date},
        modification_time=_now_ms(),
        data_change=data_change,
        stats=part.stats,
    )


def remove_action(file: DataFile, data_change: bool) -> RemoveAction:
    """Return the entry of the log that removes a data file."""
    return RemoveAction(file.path, data_change, _now_ms(), file.size, {PARTITION: file.date})


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
