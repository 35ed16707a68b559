"""Read and write the Delta tables of one output; waves are not known here.

Every commit of rows carries the name of a transaction. If the answer to a commit was lost, the next
try finds the name in the table's log, and does not commit the rows again.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias, TypeVar

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from deltalake import DeltaTable, Schema, WriterProperties, write_deltalake
from deltalake.exceptions import (
    DeltaError,
    TableNotFoundError,
)
from tenacity import (
    Retrying,
    retry_if_exception_type,
    stop_after_attempt,
    wait_random_exponential,
)

from steeldefect.errors import NewerTableError, StoreUnavailableError
from steeldefect.stores import Store
from steeldefect.tables.commits import add_action, named_commit
from steeldefect.tables.delta_errors import translated
from steeldefect.tables.log_entries import has_entries, newest_actions
from steeldefect.tables.parts import Part
from steeldefect.tables.reading import dataset_of
from steeldefect.tables.schema import PARTITION, SCHEMA_VERSION, SCHEMAS, SINCE, TableName

Result = TypeVar("Result")

Rows: TypeAlias = pa.Table | Callable[[], Iterable[pa.Table]]
"""Rows to write; or a function that returns them, some at a time, and again for another try."""

_VERSION = "steeldefect.schema_version"
_STATISTICS, _OF_ALL_COLUMNS = "delta.dataSkippingNumIndexedCols", "-1"
"""Delta readers use the statistics of the first 32 columns only; `images` has more."""

WITH_IMAGES = (
    *(TableName.DEFECTS, TableName.MASK_LEVELS, TableName.REVIEWS),
    *(TableName.AGREEMENT, TableName.DRIFT, TableName.REPEATS),
)
"""Tables that came with schema version 4, as some columns of `images` did."""

_WRITER = WriterProperties(max_row_group_size=50_000)  # rows; the library keeps a group in memory
_BYTES_PER_SECOND = 150 * 2**20  # of rows; the Delta library writes faster than that
_FEW_ROWS_AHEAD = {"batch_size": 65_536, "batch_readahead": 2, "fragment_readahead": 4}
_ATTEMPTS = 5
_OPENINGS = 4  # tries to open a table that others commit to at the same time
_BACKOFF = wait_random_exponential(multiplier=0.1, max=5)


class Tables:
    """The Delta tables of one output.

    Attributes:
        store: the output.
    """

    def __init__(self, store: Store) -> None:
        """Keep the output; nothing is read or written yet."""
        self.store = store

    def open(self, table: TableName) -> DeltaTable | None:
        """Open a table at its newest version; return None if it does not exist yet.

        Raises:
            TableError: the table's folder does not hold a readable Delta table, or a newer version
                of this program wrote the table.
            StoreUnavailableError: the store does not answer.
        """
        try:
            delta = self._found(table)
        except (DeltaError, OSError, ValueError) as error:
            raise translated(error, self._where(table)) from None
        if delta is not None:
            self._refuse_newer(delta, table)
        return delta

    def read(
        self,
        table: TableName,
        columns: Sequence[str] | None = None,
        equal: dict[str, str] | None = None,
    ) -> pa.Table:
        """Read columns of a table, from its rows that match.

        Args:
            table: table to read. A table that does not exist has no rows.
            columns: names of the columns; None for all columns of the schema. A column that older
                files lack is null in their rows.
            equal: value of each column that a row must have to match; None for all rows.

        Raises:
            TableError, StoreUnavailableError: see `open`.
        """
        wanted = list(columns) if columns else SCHEMAS[table].columns.names
        try:
            return self.dataset(table).to_table(columns=wanted, filter=_where_equal(equal))
        except (DeltaError, OSError, pa.ArrowInvalid) as error:
            raise translated(error, self._where(table)) from None

    def batches(
        self, table: TableName, columns: Sequence[str], equal: dict[str, str] | None = None
    ) -> Iterator[pa.RecordBatch]:
        """Yield the rows that `read` returns, some at a time: they may not fit into memory.

        Args:
            table: table to read. A table that does not exist has no rows.
            columns: names of the columns.
            equal: value of each column that a row must have to match; None for all rows.

        Raises:
            TableError, StoreUnavailableError: see `open`.
        """
        found = self.dataset(table)
        with self.errors_of(table):
            scanner = found.scanner(
                columns=list(columns), filter=_where_equal(equal), **_FEW_ROWS_AHEAD
            )
            yield from scanner.to_batches()

    def dataset(self, table: TableName) -> ds.Dataset:
        """Open a table as an Arrow dataset; a table that does not exist is an empty dataset.

        Raises:
            TableError, StoreUnavailableError: see `open`.
        """
        schema = SCHEMAS[table].columns
        stated = ""
        for _ in range(_OPENINGS):
            delta = self.open(table)
            if delta is None:
                return ds.dataset(schema.empty_table())
            newest = newest_actions(self.store, table, delta.version())
            if newest.latest <= delta.version():
                with self.errors_of(table):
                    return dataset_of(delta, schema, self.store.delta_options(), newest)
            stated = f"version {delta.version()}, but the store lists version {newest.latest}"
        raise StoreUnavailableError(
            f"{self._where(table)} was opened at {stated}; check the store, and proxies in front "
            "of it; start again"
        )

    def committed(self, table: TableName, name: str, number: int) -> bool:
        """Return whether a table's log holds a transaction with this number or a greater one.

        Raises:
            TableError, StoreUnavailableError: see `open`.
        """
        delta = self.open(table)
        with self.errors_of(table):
            return delta is not None and _reached(delta, name, number)

    def create_all(self) -> None:
        """Create the tables that do not exist yet, and add columns that older tables lack."""
        for table in TableName:
            self.create(table)

    def create(self, table: TableName) -> DeltaTable:
        """Create a table if it does not exist, add the columns that it lacks, and return it.

        Before `images` gets its columns of version 4, the tables of `WITH_IMAGES` are created. So
        such a table that is missing beside these columns was lost.
        """
        existing = self.open(table)
        known = set() if existing is None else _names(existing)
        missing = [field for field in SCHEMAS[table].columns if field.name not in known]
        if missing and table is TableName.IMAGES:
            for other in WITH_IMAGES:
                self.create(other)
        if existing is None:
            return self.retried(table, lambda: self._create(table))
        if missing:
            self._extend(table, missing)
            return self._opened(table)
        return existing

    def add(self, table: TableName, parts: Sequence[Part], name: str, number: int) -> None:
        """Add parts to a table, in one commit.

        Args:
            table: table that the parts belong to.
            parts: parts to add.
            name: name of the transaction.
            number: number of the transaction. If the table's log holds a transaction of this name
                with this number or a greater one, nothing is added.

        Raises:
            TableError, StoreUnavailableError: the commit failed; retries did not help.
        """

        def commit() -> None:
            delta = self.create(table)
            if _reached(delta, name, number):
                return
            delta.create_write_transaction(
                [add_action(part) for part in parts],
                mode="append",
                schema=delta.schema(),
                partition_by=[PARTITION],
                commit_properties=named_commit(name, number),
            )
            self.require_commit(table, delta, name, number)

        self.retried(table, commit)

    def append(self, table: TableName, rows: pa.Table) -> None:
        """Append rows of the whole schema, the partition column included, in one commit."""
        self._write(table, rows, {"mode": "append"})

    def replace(self, table: TableName, rows: Rows, equal: dict[str, str]) -> None:
        """Replace the rows of a table that match, in one commit.

        Why not a merge: deltalake 1.6 writes the texts of a merge as Arrow string views, and
        filters on such columns fail.

        Args:
            table: table to write.
            rows: new rows in the whole schema; they match as well.
            equal: value of each column that a row must have to match.
        """
        terms = [
            f"{name} = '{value.replace(chr(39), 2 * chr(39))}'" for name, value in equal.items()
        ]
        self._write(table, rows, {"mode": "overwrite", "predicate": " AND ".join(terms)})

    @contextmanager
    def errors_of(self, table: TableName) -> Iterator[None]:
        """Translate errors of the Delta library in the block into errors of this project.

        Raises:
            TableError, StoreUnavailableError: see `open`.
        """
        try:
            yield
        except (DeltaError, OSError, pa.ArrowInvalid) as error:
            raise translated(error, self._where(table)) from None

    def _write(self, table: TableName, rows: Rows, how: dict[str, Any]) -> None:
        name = f"write-{uuid.uuid4().hex}"
        schema = _without_comments(SCHEMAS[table].columns)

        def batches() -> Iterator[pa.RecordBatch]:
            if isinstance(rows, pa.Table):
                yield from rows.cast(schema).to_batches()
                return
            for some in rows():
                yield from some.cast(schema).to_batches()
                # the Delta library takes all rows that it gets into memory at once
                time.sleep(some.nbytes / _BYTES_PER_SECOND)

        def commit() -> None:
            delta = self.create(table)
            if _reached(delta, name, 1):
                return
            write_deltalake(
                delta,
                pa.RecordBatchReader.from_batches(schema, batches()),
                partition_by=[PARTITION],
                commit_properties=named_commit(name, 1),
                writer_properties=_WRITER,
                **how,
            )
            self.require_commit(table, delta, name)

        self.retried(table, commit)

    def require_commit(
        self, table: TableName, delta: DeltaTable, name: str, number: int = 1
    ) -> None:
        """Check that a commit is in the log: a proxy may acknowledge a write that it then loses.

        Raises:
            StoreUnavailableError: the commit is not there.
        """
        delta.update_incremental()
        if not _reached(delta, name, number):
            raise StoreUnavailableError(
                f"{self._where(table)} does not hold a commit that was "
                "acknowledged; check the store, and proxies in front of it; start again"
            )

    def _where(self, table: TableName) -> str:
        return f"table {self.store.delta_uri(table.value)}"

    def _found(self, table: TableName) -> DeltaTable | None:
        """Open a table; trust the Delta library that there is none only if its log has no entry."""
        try:
            return self._opened(table)
        except TableNotFoundError:
            if not has_entries(self.store, table):
                return None
        try:
            return self._opened(table)  # it may have been created meanwhile
        except TableNotFoundError:
            raise StoreUnavailableError(
                f"{self._where(table)} was not found, but the store lists entries of its log; "
                "check the store, and proxies in front of it; start again"
            ) from None

    def _opened(self, table: TableName) -> DeltaTable:
        return DeltaTable(
            self.store.delta_uri(table.value), storage_options=self.store.delta_options()
        )

    def _create(self, table: TableName) -> DeltaTable:
        return DeltaTable.create(
            self.store.delta_uri(table.value),
            schema=Schema.from_arrow(SCHEMAS[table].columns),
            mode="ignore",
            partition_by=[PARTITION],
            description=SCHEMAS[table].row,
            configuration={_VERSION: str(SCHEMA_VERSION), _STATISTICS: _OF_ALL_COLUMNS},
            raise_if_key_not_exists=False,
            storage_options=self.store.delta_options(),
        )

    def _extend(self, table: TableName, missing: list[pa.Field]) -> None:
        """Add columns to a table of an older version; the columns are null in its rows."""
        fields = list(Schema.from_arrow(pa.schema(missing)).fields)

        def add_columns() -> None:
            delta = self._opened(table)
            lacking = [field for field in fields if field.name not in _names(delta)]
            if lacking:
                delta.alter.add_columns(lacking)

        self.retried(table, add_columns)

    def _refuse_newer(self, delta: DeltaTable, table: TableName) -> None:
        version = _schema_version(delta)
        if version > SCHEMA_VERSION:
            raise NewerTableError(
                f"{self._where(table)} has schema version {version}; this "
                f"program knows versions up to {SCHEMA_VERSION}; use the program that wrote it"
            )

    def retried(self, table: TableName, work: Callable[[], Result]) -> Result:
        """Return what `work` returns; call it again after errors that may pass.

        `work` must recognise a commit of an earlier try whose answer was lost.
        """
        retrying = Retrying(
            stop=stop_after_attempt(_ATTEMPTS),
            wait=_BACKOFF,
            retry=retry_if_exception_type(StoreUnavailableError),
            reraise=True,
        )

        def attempt() -> Result:
            try:
                return work()
            except (DeltaError, OSError, pa.ArrowInvalid) as error:
                raise translated(error, self._where(table)) from None

        return retrying(attempt)


def _where_equal(equal: dict[str, str] | None) -> pc.Expression | None:
    """Return the condition that columns have the given values; None if there are none."""
    condition = None
    for name, value in (equal or {}).items():
        term = ds.field(name) == value
        condition = term if condition is None else condition & term
    return condition


def _reached(delta: DeltaTable, name: str, number: int) -> bool:
    """Return whether the log holds a transaction with this number or a greater one."""
    seen = delta.transaction_version(name)
    return seen is not None and int(seen) >= number


def _schema_version(delta: DeltaTable) -> int:
    """Return the version of the schema that a table has.

    The table's configuration states the version at its creation, and each column that was added
    later states the version that added it. A separate commit for a new version is not used, because
    it could be missing after a crash.
    """
    stated = [delta.metadata().configuration.get(_VERSION)]
    stated += [field.metadata.get(SINCE) for field in delta.schema().fields]
    return max((int(one) for one in stated if one and one.isdecimal()), default=1)


def _without_comments(schema: pa.Schema) -> pa.Schema:
    """Return a schema without comments: a table of another version has other comments."""
    return pa.schema([field.remove_metadata() for field in schema])


def _names(delta: DeltaTable) -> set[str]:
    return {field.name for field in delta.schema().fields}
