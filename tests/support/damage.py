"""Damage an output in a folder as crashes, full disks and careless people do."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq

from steeldefect.stores import open_store
from steeldefect.tables.delta import Tables
from steeldefect.tables.schema import TableName

Damage = Callable[[Path], None]
"""A function that damages the table in a folder."""


def entries(folder: Path) -> list[Path]:
    return sorted((folder / "_delta_log").glob("*.json"))


def checkpoints(folder: Path) -> list[Path]:
    return sorted((folder / "_delta_log").glob("*.checkpoint*.parquet"))


def data(folder: Path) -> list[Path]:
    """Return the data files of the current version of a table, oldest first."""
    delta = Tables(open_store(str(folder.parent))).open(TableName(folder.name))
    assert delta is not None
    paths = [Path(path.removeprefix("file://")) for path in delta.file_uris()]
    return sorted(paths, key=lambda path: path.stat().st_mtime_ns)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def zero(path: Path) -> None:
    """Overwrite a file with zeros of the same length, as a file system may do after a power cut."""
    path.write_bytes(bytes(path.stat().st_size))


def zero_column(path: Path, name: str = "scored_at") -> None:
    """Overwrite one column of a data file with zeros; checks of rows do not read `scored_at`."""
    content = bytearray(path.read_bytes())
    group = pq.ParquetFile(path).metadata.row_group(0)
    (chunk,) = (
        column
        for column in map(group.column, range(group.num_columns))
        if column.path_in_schema == name
    )
    begin = chunk.dictionary_page_offset or chunk.data_page_offset
    content[begin : begin + chunk.total_compressed_size] = bytes(chunk.total_compressed_size)
    path.write_bytes(content)


def halve(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def remove(path: Path) -> None:
    path.unlink()


def entry(place: int, harm: Callable[[Path], None]) -> Damage:
    """Return a damage of one log entry; `place` is an index into the list of entries."""
    return lambda folder: harm(entries(folder)[place])


def data_file(place: int, harm: Callable[[Path], None]) -> Damage:
    """Return a damage of one data file; `place` is an index into the list of data files."""
    return lambda folder: harm(data(folder)[place])


def checkpointed(
    harm: Callable[[Path], None], *, earlier_entries: bool, hint: bool = True
) -> Damage:
    """Return a damage of a new checkpoint, with or without the log entries before it."""

    def damage(folder: Path) -> None:
        delta = Tables(open_store(str(folder.parent))).open(TableName(folder.name))
        assert delta is not None
        delta.create_checkpoint()
        if not earlier_entries:
            for path in entries(folder)[:-1]:
                path.unlink()
        if not hint:
            (folder / "_delta_log" / "_last_checkpoint").unlink()
        harm(checkpoints(folder)[-1])

    return damage


def without_log(folder: Path) -> None:
    shutil.rmtree(folder / "_delta_log")


def without_entries(folder: Path) -> None:
    """Delete the entries of the log, but keep its folder."""
    for path in entries(folder):
        path.unlink()


DAMAGES: dict[str, Damage] = {
    "first entry emptied": entry(0, empty),
    "first entry gone": entry(0, remove),
    "first entry zeroed": entry(0, zero),
    "second entry emptied": entry(1, empty),
    "second entry gone": entry(1, remove),
    "second entry zeroed": entry(1, zero),
    "second entry cut short": entry(1, halve),
    "last entry emptied": entry(-1, empty),
    "last entry gone": entry(-1, remove),
    "last entry zeroed": entry(-1, zero),
    "last entry cut short": entry(-1, halve),
    "checkpoint cut short": checkpointed(halve, earlier_entries=True),
    "checkpoint zeroed": checkpointed(zero, earlier_entries=True),
    "checkpoint gone": checkpointed(remove, earlier_entries=True),
    "checkpoint emptied": checkpointed(empty, earlier_entries=True),
    "checkpoint cut short, nothing before it": checkpointed(halve, earlier_entries=False),
    "checkpoint gone, nothing before it": checkpointed(remove, earlier_entries=False),
    "checkpoint and its note gone": checkpointed(remove, earlier_entries=False, hint=False),
    "first data file gone": data_file(0, remove),
    "last data file gone": data_file(-1, remove),
    "first data file cut short": data_file(0, halve),
    "last data file emptied": data_file(-1, empty),
    "last data file zeroed": data_file(-1, zero),
    "last data file with a column zeroed": data_file(-1, zero_column),
    "log gone": without_log,
    "log emptied": without_entries,
    "table gone": shutil.rmtree,
}
