"""Read a Delta table as an Arrow dataset, by its list of files.

Why not `DeltaTable.to_pyarrow_dataset`: it turns missing column statistics into `column >= null`,
and a filter on such a column then drops rows without an error (deltalake 1.6). Here Arrow gets only
the partition of each file, and uses Parquet's own statistics for the rest.

The list of files does not show deletion vectors and mapped column names. Tables with these features
are read by the Delta library's own engine, which is slower. Tables with a feature that neither way
supports are refused; the error names the feature.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError
from pyarrow.fs import FileSystem, LocalFileSystem

from steeldefect.errors import TableError
from steeldefect.tables.log_entries import NewestActions, require_whole
from steeldefect.tables.remote_files import scan_file_system

_LIST_OF_FILES = frozenset(
    {
        # the Delta library reads such checkpoints when it opens the table
        "v2Checkpoint",
        # matters only to programs that delete files
        "vacuumProtocolCheck",
        # types are cast to those of the schema, and columns beyond the schema are not read
        "timestampNtz",
        "typeWidening",
        "typeWidening-preview",
        "variantType",
        "variantType-preview",
        "variantShredding-preview",
    }
)
"""Features of Delta tables that can be read by the list of files."""
_DELETIONS, _MAPPING = "deletionVectors", "columnMapping"
_MAPPING_MODE = "delta.columnMapping.mode"

_LOCAL = "file://"
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_OWN_PART = re.compile(
    r"part-.+-\d{6}-\d{6}-[0-9a-f]{8}\.parquet$"
)  # steeldefect.tables.parts names it

# far dates in Spark's old timestamps (INT96) overflow nanoseconds
_LAYOUT = ds.ParquetFileFormat(read_options=ds.ParquetReadOptions(coerce_int96_timestamp_unit="us"))


def dataset_of(
    delta: DeltaTable, columns: pa.Schema, options: dict[str, str], newest: NewestActions
) -> ds.Dataset:
    """Create a dataset of the files that the opened version of a table names.

    Columns that a file lacks are null in its rows, columns beyond the schema are not read, and
    types are cast to those of the schema.

    Args:
        delta: the opened table.
        columns: schema of the table.
        options: settings to reach the store.
        newest: what the newest entries of the log did; see `log_entries.newest_actions`.

    Raises:
        StoreUnavailableError: the Delta library has missed entries of the log.
        TableError: the table uses a feature of Delta that is not supported, or names a file that
            cannot be reached.
    """
    features = frozenset(delta.protocol().reader_features or ())
    unknown = features - _LIST_OF_FILES - {_DELETIONS, _MAPPING}
    if unknown:
        raise TableError(
            f"table {delta.table_uri} uses features of Delta that this program does not read: "
            f"{', '.join(sorted(unknown))}; read it with the program that altered it, or drop them"
        )
    needed = _needs_engine(delta, features)
    if needed:
        paths = pa.table(delta.get_add_actions(flatten=True))["path"].to_pylist()
        require_whole(delta.table_uri, paths, newest)
        return _EngineDataset.of(delta, columns, needed)
    return _FilesDataset.of(_Files(delta, columns, options, newest))


def _needs_engine(delta: DeltaTable, features: frozenset[str]) -> list[str]:
    """List the features of a table that only the Delta library's engine can read."""
    needed = []
    if (delta.metadata().configuration.get(_MAPPING_MODE) or "none") != "none":
        needed.append(_MAPPING)
    if _DELETIONS in features and _has_deletions(delta):
        needed.append(_DELETIONS)
    return needed


def _has_deletions(delta: DeltaTable) -> bool:
    try:
        found = pa.RecordBatchReader.from_stream(delta.deletion_vectors())
    except DeltaError as error:
        raise _unread_together(delta, [_DELETIONS], error) from None
    return any(batch.num_rows for batch in found)


def _unread_together(delta: DeltaTable, used: Sequence[str], error: DeltaError) -> TableError:
    return TableError(
        f"table {delta.table_uri} uses {' and '.join(used)} together with features that the Delta "
        f"library does not read: {error}; read it with the program that altered it, or drop them"
    )


@dataclass(frozen=True)
class _File:
    """One data file.

    Attributes:
        root: address of the folder that the path starts from; empty for local files.
        path: path of the file in its file system.
        partition: condition that all rows of the file meet, by the log; None if there is none.
        size: size of the file in bytes.
    """

    root: str
    path: str
    partition: pc.Expression | None
    size: int


class _Files:
    """The data files of one version of a table."""

    def __init__(
        self,
        delta: DeltaTable,
        columns: pa.Schema,
        options: dict[str, str],
        newest: NewestActions,
    ) -> None:
        self.columns = columns
        self._options = options
        actions = pa.table(delta.get_add_actions(flatten=True))
        require_whole(delta.table_uri, actions["path"].to_pylist(), newest)
        names = [one for one in delta.metadata().partition_columns if one in columns.names]
        partitions = _partitions(actions, names, columns)
        self._files = [
            _located(path, delta.table_uri, partition, size)
            for path, partition, size in zip(
                actions["path"].to_pylist(),
                partitions,
                actions["size_bytes"].to_pylist(),
                strict=True,
            )
        ]

    def fragments(self) -> list[ds.Fragment]:
        """Create the fragments of one scan, with file systems that nothing else refers to."""
        systems = {root: self._file_system(root) for root in {one.root for one in self._files}}
        return [
            _LAYOUT.make_fragment(
                file.path,
                filesystem=systems[file.root],
                partition_expression=file.partition,
                file_size=file.size,
            )
            for file in self._files
        ]

    def _file_system(self, root: str) -> FileSystem:
        if not root:
            return LocalFileSystem()
        sizes = {one.path: one.size for one in self._files if one.root == root}
        return scan_file_system(root, self._options, sizes)


def _partitions(
    actions: pa.Table, names: Sequence[str], columns: pa.Schema
) -> list[pc.Expression | None]:
    """Return, for each file, the condition of its partition; a missing value is null."""
    found: list[pc.Expression | None] = [None] * actions.num_rows
    for name in names:
        kind = columns.field(name).type
        stated = actions.column_names.count(f"partition.{name}")
        values = actions[f"partition.{name}"].cast(kind) if stated else pa.nulls(len(found), kind)
        for place, value in enumerate(values):
            term = ds.field(name) == value if value.is_valid else ds.field(name).is_null()
            known = found[place]
            found[place] = term if known is None else known & term
    return found


def _located(path: str, table: str, partition: pc.Expression | None, size: int) -> _File:
    """Locate a file by its path in the log: relative or absolute, and URL-encoded.

    Raises:
        TableError: the file lies outside the table's store.
    """
    local = table.startswith(_LOCAL)
    if not _ADDRESS.match(path) and not (local and path.startswith("/")):
        if local:
            return _File("", f"{_local(table).rstrip('/')}/{unquote(path)}", partition, size)
        return _File(table, unquote(path), partition, size)
    if local and (path.startswith((_LOCAL, "/"))):
        return _File("", _local(path), partition, size)
    bucket, _, key = path.removeprefix("s3://").partition("/")
    if local or not path.startswith("s3://"):
        raise TableError(
            f"table {table} names the file {path}, which lies outside the table's store; copy the "
            "whole table, and give the copy as --output"
        )
    return _File(f"s3://{bucket}", unquote(key), partition, size)


def _local(address: str) -> str:
    """Return the path of a `file:` URL."""
    return unquote(address.removeprefix(_LOCAL))


class _FilesDataset(ds.FileSystemDataset):  # type: ignore[misc]
    """A dataset that opens its data files for each scan; see `steeldefect.tables.remote_files`."""

    _files: _Files | None = None

    @classmethod
    def of(cls, files: _Files) -> _FilesDataset:
        """Create the dataset."""
        made = cls(files.fragments(), files.columns, _LAYOUT)
        made._files = files
        return made

    def scanner(self, columns: Any = None, filter: Any = None, **options: Any) -> ds.Scanner:
        """Start a scan; the arguments are those of pyarrow's `Dataset.scanner`.

        If other programs wrote some of the files, rows are filtered only after they were read. The
        reason: the Delta library writes texts as Arrow's string views, and Arrow (26) cannot
        compare the statistics of string views with a text.
        """
        if self._files is None:  # a dataset that pyarrow derived from this one
            return super().scanner(columns=columns, filter=filter, **options)
        whole = ds.FileSystemDataset(self._files.fragments(), self.schema, _LAYOUT)
        if filter is None:
            return whole.scanner(columns=columns, **options)
        kept = list(whole.get_fragments(filter=filter))  # by their partitions alone
        if all(_OWN_PART.search(one.path) for one in kept):
            return whole.scanner(columns=columns, filter=filter, **options)
        read = _columns_read(self.schema, columns, filter)
        files = ds.FileSystemDataset(kept, self.schema, _LAYOUT)
        return ds.Scanner.from_batches(
            files.scanner(columns=read).to_reader(), columns=columns, filter=filter, **options
        )


class _EngineDataset(ds.InMemoryDataset):  # type: ignore[misc]
    """A dataset that the Delta library's own engine reads; it supports scans and nothing else."""

    @classmethod
    def of(cls, delta: DeltaTable, columns: pa.Schema, features: Sequence[str]) -> _EngineDataset:
        """Create the dataset.

        Args:
            delta: the opened table.
            columns: schema of the table.
            features: features of the table that need the engine.
        """
        made = cls(columns.empty_table())
        made._delta = delta
        made._features = features
        return made

    def scanner(self, columns: Any = None, filter: Any = None, **options: Any) -> ds.Scanner:
        """Start a scan, as pyarrow's `Dataset.scanner`; rows are filtered after they were read."""
        names = _columns_read(self.schema, columns, filter)
        present = {field.name for field in self._delta.schema().fields}
        try:
            reader = self._delta.scan(columns=[one for one in names if one in present])
        except DeltaError as error:
            raise _unread_together(self._delta, self._features, error) from None
        as_stated = {
            field.name: (ds.field(field.name) if field.name in present else pc.scalar(None)).cast(
                field.type
            )
            for field in self.schema
            if field.name in names
        }
        cast = ds.Scanner.from_batches(
            pa.RecordBatchReader.from_stream(reader), columns=as_stated
        ).to_reader()
        return ds.Scanner.from_batches(cast, columns=columns, filter=filter, **options)

    def get_fragments(self, filter: Any = None) -> Any:
        """Raise: pyarrow would return the fragments of an empty table.

        Raises:
            TableError: always.
        """
        raise TableError(
            f"table {self._delta.table_uri} uses {' and '.join(self._features)}, so its files "
            "alone do not show its rows; query it by SQL, or read it by `to_table` or `scanner`"
        )

    join = join_asof = sort_by = get_fragments


def _columns_read(schema: pa.Schema, columns: Any, condition: Any) -> list[str]:
    """List the columns that a scan with a filter has to read."""
    if columns is None:
        return list(schema.names)
    texts = [str(one) for one in (columns.values() if isinstance(columns, dict) else columns)]
    if condition is not None:
        texts.append(str(condition))
    words = set(re.findall(r"\w+", " ".join(texts)))
    return [name for name in schema.names if name in words]
