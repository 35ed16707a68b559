"""Export the tables and views of an output as plain Parquet, for programs that do not read Delta.

An export is a folder with a folder for each table and view: `images/part-0000.parquet`, and so on.
All of them show the output at one moment. An export is written completely or not at all, and
replaces nothing but an earlier export.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from steeldefect.analysis.result_parquet import MARK, write_plain_parts
from steeldefect.analysis.sql import limit_memory, opened_database, relation_names
from steeldefect.errors import AlreadyExistsError, SettingsError
from steeldefect.program.new_files import Existing
from steeldefect.program.new_folders import new_folder, replaced_folder
from steeldefect.program.progress import shown
from steeldefect.program.suggestions import did_you_mean
from steeldefect.stores import Store

_PART = re.compile(r"part-\d{4,}\.parquet")


@dataclass(frozen=True)
class Exported:
    """What an export holds.

    Attributes:
        rows: number of rows, by the name of the table or view.
    """

    rows: dict[str, int]


def export_plain_tables(
    store: Store, folder: Path, names: Sequence[str], existing: Existing = Existing.KEEP
) -> Exported:
    """Write tables and views as folders of Parquet files, and show the progress.

    Rows are written as they are read. Views that need more than a little memory use a temporary
    folder.

    Args:
        store: the output.
        folder: folder of the export: new or empty.
        names: names of tables and views; empty for all.
        existing: whether an earlier export in the folder is replaced, as a whole.

    Raises:
        SettingsError: there is no such table or view.
        AlreadyExistsError: the folder holds an export that must be kept, or something else.
        QueryError, TableError, StoreUnavailableError, KeyboardInterrupt: see `opened_database`.
        StoreError, OSError: the folder cannot be written.
    """
    with (
        opened_database(store) as connection,
        tempfile.TemporaryDirectory(prefix="steeldefect-") as spilled,
        _opened_folder(folder, existing) as staged,
    ):
        limit_memory(connection, spilled)
        rows = {name: _count(connection, name) for name in _chosen(connection, names)}
        _write(connection, staged, rows)
    return Exported(rows)


def _write(connection: duckdb.DuckDBPyConnection, folder: Path, rows: dict[str, int]) -> None:
    """Write each of the tables whose numbers of rows are given."""
    done = 0

    def wrote(count: int) -> None:
        nonlocal done
        done += count

    with shown(sum(rows.values()), lambda: done, lambda: 0, work="export", unit="rows"):
        for name in rows:
            write_plain_parts(connection.table(name), folder / name, name, wrote)


def _chosen(connection: duckdb.DuckDBPyConnection, names: Sequence[str]) -> list[str]:
    """Return each of the names once; without names, those of all tables and views.

    Raises:
        SettingsError: a name is unknown.
    """
    known = relation_names(connection)
    for name in names:
        if name not in known:
            raise SettingsError(
                f"--table {name}: there is no such table or view{did_you_mean(name, known)}; "
                f"known: {', '.join(known)}"
            )
    return list(dict.fromkeys(names)) or known


def _count(connection: duckdb.DuckDBPyConnection, name: str) -> int:
    (counted,) = connection.table(name).count("*").fetchall()
    return int(counted[0])


def _opened_folder(folder: Path, existing: Existing) -> AbstractContextManager[Path]:
    """Return the folder to fill, as `existing` says.

    Raises:
        AlreadyExistsError: the folder holds an export that must be kept.
    """
    if existing is Existing.REPLACE:
        return replaced_folder(folder, _require_export)
    if folder.is_dir() and any(folder.iterdir()):
        _require_export(folder)
        raise AlreadyExistsError(
            f"{folder} holds an earlier export; name a new folder, or add --overwrite"
        )
    return new_folder(folder)


def _require_export(folder: Path) -> None:
    """Raise unless a folder is missing, or holds nothing but an export.

    Raises:
        AlreadyExistsError: it holds something else.
    """
    if folder.exists() and not folder.is_dir():
        raise AlreadyExistsError(f"{folder} is not a folder; name a new folder")
    for table in sorted(folder.iterdir()) if folder.exists() else ():
        foreign = _foreign(table)
        if foreign is not None:
            raise AlreadyExistsError(
                f"{folder} holds {foreign.relative_to(folder)}, which no export wrote; name a new "
                "folder"
            )


def _foreign(table: Path) -> Path | None:
    """Return a path that is no part of an export: the folder of a table, or a file in it."""
    if table.is_symlink() or not table.is_dir():
        return table
    files = sorted(table.iterdir())
    if not files:
        return table
    return next((file for file in files if not _is_part(file, table.name)), None)


def _is_part(file: Path, name: str) -> bool:
    if file.is_symlink() or not file.is_file() or not _PART.fullmatch(file.name):
        return False
    try:
        found = pq.read_metadata(file).metadata or {}
    except (pa.ArrowException, OSError):  # no Parquet, or damaged
        return False
    return bool(found.get(MARK) == name.encode())
