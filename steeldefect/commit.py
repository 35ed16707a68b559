"""Makes a wave's part files visible: all of them, once, whatever dies in between.

First one record of the wave's files is written below `OUTPUT/_waves` in one atomic, conditional
PUT: that is the moment of decision. Then the files are added to each table's Delta log, with the
run and the wave as the transaction's name, so that a commit that was already made is recognised.
At last the record is deleted. A record that is found at the next start is carried out again.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.dataset as ds
from deltalake import CommitProperties, DeltaTable, Schema, Transaction, write_deltalake
from deltalake.exceptions import DeltaError, TableNotFoundError
from deltalake.transaction import AddAction
from pydantic import TypeAdapter, ValidationError

from steeldefect.errors import StoreUnavailableError, TableError
from steeldefect.parts import Part
from steeldefect.reading import dataset_of
from steeldefect.stores import Store
from steeldefect.tables import PARTITION, SCHEMAS, TableName

RECORDS = "_waves/"
RECOVERED = f"{RECORDS}recovered-by"

_COLOURS = re.compile("\x1b\\[[0-9;]*m")  # deltalake colours its messages


@dataclass(frozen=True)
class WaveRecord:
    """The files of one wave.

    Attributes:
        run_id: of the run that scored it.
        wave: counts from 1 within the run.
        parts: the files.
        holder: number of the lease under which it was decided; see `steeldefect.lease`.
    """

    run_id: str
    wave: int
    parts: list[Part] = field(default_factory=list)
    holder: int = 0

    @property
    def key(self) -> str:
        """Where the record lies in the output."""
        return f"{RECORDS}{self.run_id}-{self.wave:06d}.json"


_RECORD = TypeAdapter(WaveRecord)


class Tables:
    """The Delta tables of one output."""

    def __init__(self, store: Store) -> None:
        """Name the output; nothing is touched yet."""
        self._store = store

    def publish(self, record: WaveRecord, still_holds: Callable[[], None]) -> None:
        """Decide for a wave, and commit it to every table.

        A writer that was silent for long may have lost the output while its record was on the
        way. If it still holds the output once the record is there, whoever takes over later will
        find the record. If not, it leaves the record to the next `recover`, which completes it or
        drops it.

        Args:
            record: of the wave.
            still_holds: raises `OutputBusyError` where another run has taken over.

        Raises:
            StoreError: the store refused; before the record was written nothing is published,
                afterwards the next start completes the commit.
            OutputBusyError: another run has taken over; this one publishes nothing more.
        """
        self._store.write_new(record.key, _RECORD.dump_json(record))
        still_holds()
        self._apply(record)

    def recover(self, holder: int) -> list[WaveRecord]:
        """Complete the commits that a dead driver left; gives the records that were completed.

        A record of an older holder than one that has recovered before came too late: that one did
        not see it, and has scored its pictures again. It is dropped.

        Args:
            holder: number of the lease that the caller holds.

        Raises:
            TableError: a record is none, or of a form that this version does not read.
        """
        recovered_by = self._recovered_by()
        records = [self._read_record(key) for key in self.pending()]
        decided = [record for record in records if record.holder >= recovered_by]
        for record in records:
            if record in decided:
                self._apply(record)
            else:
                self._store.delete(record.key)
        self._store.write(RECOVERED, str(holder).encode())
        return decided

    def pending(self) -> list[str]:
        """List the records of waves that are decided, but maybe not yet in every table.

        Returns:
            Their keys, the waves of a run in their order.
        """
        keys = [found.key for found in self._store.scan(RECORDS)]
        return sorted(key for key in keys if key.endswith(".json"))

    def open(self, table: TableName) -> DeltaTable | None:
        """Open a table at its newest version, or None where it does not exist yet.

        Raises:
            TableError: something lies there that is not a Delta table.
            StoreUnavailableError: the store does not answer.
        """
        try:
            return DeltaTable(
                self._store.delta_uri(table.value), storage_options=self._store.delta_options()
            )
        except TableNotFoundError:
            return None
        except (DeltaError, OSError) as error:
            raise self._translate(error, table) from None

    def read(
        self,
        table: TableName,
        columns: Sequence[str] | None = None,
        equal: dict[str, str] | None = None,
    ) -> pa.Table:
        """Read columns of a table, of the rows in which the columns of `equal` have its values.

        An absent table is an empty one.
        """
        condition = None
        for name, value in (equal or {}).items():
            term = ds.field(name) == value
            condition = term if condition is None else condition & term
        wanted = list(columns) if columns else SCHEMAS[table].columns.names
        try:
            return self.dataset(table).to_table(columns=wanted, filter=condition)
        except (DeltaError, OSError) as error:
            raise self._translate(error, table) from None

    def dataset(self, table: TableName) -> ds.Dataset:
        """Open a table as an Arrow dataset; an absent table is an empty one."""
        delta = self.open(table)
        schema = SCHEMAS[table].columns
        if delta is None:
            return ds.dataset(schema.empty_table())
        return dataset_of(delta, schema, self._store.delta_options())

    def append(self, table: TableName, rows: pa.Table) -> None:
        """Append rows that the driver itself has, the partition column included."""
        try:
            write_deltalake(
                self._store.delta_uri(table.value),
                rows,
                mode="append",
                partition_by=[PARTITION],
                storage_options=self._store.delta_options(),
            )
        except (DeltaError, OSError) as error:
            raise self._translate(error, table) from None

    def replace(self, table: TableName, rows: pa.Table, equal: dict[str, str]) -> None:
        """Put rows in the place of those in which the columns of `equal` have its values.

        One commit. (A merge would do for finer keys, but deltalake 1.6 writes its texts as Arrow
        string views, on which filters then fail.)

        Args:
            table: to write.
            rows: in the whole schema; all of them have the values of `equal`.
            equal: column to text.
        """
        self._create(table)
        terms = [
            f"{name} = '{value.replace(chr(39), 2 * chr(39))}'" for name, value in equal.items()
        ]
        try:
            write_deltalake(
                self._store.delta_uri(table.value),
                rows,
                mode="overwrite",
                predicate=" AND ".join(terms),
                schema_mode="merge",  # a table that an older version wrote gets its new columns
                partition_by=[PARTITION],
                storage_options=self._store.delta_options(),
            )
        except (DeltaError, OSError) as error:
            raise self._translate(error, table) from None

    def create_all(self) -> None:
        """Create the tables that do not exist yet, empty, so that queries find every one."""
        for table in TableName:
            self._create(table)

    def _create(self, table: TableName) -> DeltaTable:
        existing = self.open(table)
        if existing is not None:
            return existing
        try:
            return DeltaTable.create(
                self._store.delta_uri(table.value),
                schema=Schema.from_arrow(SCHEMAS[table].columns),
                mode="ignore",
                partition_by=[PARTITION],
                description=SCHEMAS[table].row,
                storage_options=self._store.delta_options(),
            )
        except (DeltaError, OSError) as error:
            raise self._translate(error, table) from None

    def _read_record(self, key: str) -> WaveRecord:
        try:
            return _RECORD.validate_json(self._store.read(key))
        except ValidationError:
            raise TableError(
                f"{self._store.uri}/{key} is not the record of a wave as this version writes it; "
                "complete it with the version that wrote it, or move it away"
            ) from None

    def _recovered_by(self) -> int:
        """Number of the newest holder that has recovered; 0 for none."""
        if not any(found.key == RECOVERED for found in self._store.scan(RECOVERED)):
            return 0
        return int(self._store.read(RECOVERED))

    def _apply(self, record: WaveRecord) -> None:
        for table in TableName:
            parts = [part for part in record.parts if part.table is table]
            if parts:
                self._add(table, parts, record)
        self._store.delete(record.key)

    def _add(self, table: TableName, parts: list[Part], record: WaveRecord) -> None:
        delta = self._create(table)
        try:
            committed = delta.transaction_version(record.run_id)
            if committed is not None and committed >= record.wave:
                return
            delta.create_write_transaction(
                [_add_action(part) for part in parts],
                mode="append",
                schema=delta.schema(),
                partition_by=[PARTITION],
                commit_properties=CommitProperties(
                    app_transactions=[Transaction(record.run_id, record.wave, _now_ms())]
                ),
            )
        except (DeltaError, OSError) as error:
            raise self._translate(error, table) from None

    def _translate(self, error: Exception, table: TableName) -> Exception:
        where = f"table {self._store.delta_uri(table.value)}"
        problem = " ".join(_COLOURS.sub("", str(error)).split())[:300]
        if isinstance(error, OSError):
            return StoreUnavailableError(f"{where}: {problem}; check the store and start again")
        return TableError(f"{where}: {problem}")


def _add_action(part: Part) -> AddAction:
    return AddAction(
        path=part.path,
        size=part.size,
        partition_values={PARTITION: part.date},
        modification_time=_now_ms(),
        data_change=True,
        stats=part.stats,
    )


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
