"""Makes a wave's part files visible: all of them, once, whatever dies, stalls or wakes up.

First one record of the wave's files is written below `OUTPUT/_waves` in one atomic, conditional
PUT. If its writer still holds the output after that, the wave is decided: whoever takes over later
finds the record. Then the files are added to each table's Delta log, with the run and the wave as
the transaction's name, so that a commit that was already made is recognised. At last the record is
deleted.

A holder begins with `recover`: it claims the records that it finds (`publish.claims`) and
carries them out. A record that a displaced holder writes later is in no claim, and is dropped.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable

from steeldefect.errors import OutputBusyError, StoreError, TableError
from steeldefect.publish import claims
from steeldefect.publish.claims import Claim, newest_claim, write_claim
from steeldefect.publish.lease import newest_holder
from steeldefect.publish.wave_records import (
    WaveRecord,
    pending_records,
    read_record,
    write_record,
)
from steeldefect.tables.delta import Tables
from steeldefect.tables.parts import Part
from steeldefect.tables.schema import COMMIT_ORDER, TableName


class WaveLog:
    """The waves of one output: decided one by one, and carried out whatever dies.

    Attributes:
        tables: the tables that the waves are committed to.
    """

    def __init__(self, tables: Tables) -> None:
        """Take the tables of an output; nothing is touched yet."""
        self.tables = tables
        self._store = tables.store
        self._claim: Claim | None = None

    def publish(self, record: WaveRecord, still_holds: Callable[[], None]) -> None:
        """Decide for a wave, and commit it to every table.

        Args:
            record: of the wave.
            still_holds: raises `OutputBusyError` where another run has taken over. Asked before
                the record, and after it, before every commit.

        Raises:
            StoreError: the store refused; before the record was written nothing is published,
                afterwards the next start completes the commit.
            OutputBusyError: another run has taken over; this one publishes nothing more.
        """

        def check() -> None:
            still_holds()
            self.require_claim()

        check()
        write_record(self._store, record)
        self._carry_out(record, check)

    def require_claim(self) -> None:
        """Make sure that what `recover` claimed is the newest claim.

        Two holders can have one number where somebody deleted the lock between them: only one of
        them has the claim of that number.

        Raises:
            OutputBusyError: it is not, so that another run has planned what this one would write.
            StoreError: the store has lost it.
        """
        if self._claim is None:
            return
        newest = newest_claim(self._store)
        if newest.holder < self._claim.holder:
            raise StoreError(
                f"{self._store.uri} does not hold a claim that was written; check the store, and "
                "proxies before it; start again"
            )
        if newest != self._claim:
            raise OutputBusyError(
                f"another run took over {self._store.uri}; nothing more is published; start again"
            )

    def recover(self, holder: int) -> list[WaveRecord]:
        """Claim the records that earlier holders left, and carry them out.

        A holder that was displaced meanwhile carries nothing out; `require_claim` and its lease
        say so.

        Args:
            holder: number of the lease that the caller holds.

        Returns:
            The records that were carried out.

        Raises:
            TableError: a record is damaged, of a form that this version does not read, or its
                part files are gone.
        """
        found = [
            record
            for key in pending_records(self._store)
            if (record := read_record(self._store, key))
        ]
        newest = newest_claim(self._store)  # after the records: see `_require_newest`
        counting = [one for one in found if newest.covers(one.key, one.holder)]
        for record in counting:
            self._refuse_missing_parts(record)
        claim = Claim(holder, [record.key for record in counting], uuid.uuid4().hex)
        self._claim = claim
        if newest.holder >= holder or not write_claim(self._store, claim):
            return []
        completed = []
        try:
            for record in counting:
                self._carry_out(record, lambda: self._require_newest(holder))
                completed.append(record)
            self._require_newest(holder)
        except OutputBusyError:
            return completed
        for record in found:
            if record not in counting:
                self._store.delete(record.key)
        claims.tidy(self._store, holder)
        return completed

    def _require_newest(self, holder: int) -> None:
        """Raise `OutputBusyError` where a newer holder exists, or a newer claim."""
        if newest_holder(self._store) > holder:
            raise OutputBusyError(f"another run took over {self._store.uri}; start again")
        self.require_claim()

    def _refuse_missing_parts(self, record: WaveRecord) -> None:
        missing = missing_parts(self.tables, record)
        if missing:
            raise TableError(
                f"{self._store.uri}/{record.key}: {len(missing)} of its {len(record.parts)} data "
                f"files are gone or cut short, such as {missing[0].key}; `steeldefect maintain "
                "--repair` drops the wave, and its pictures are scored again"
            )

    def _carry_out(self, record: WaveRecord, still_holds: Callable[[], None]) -> None:
        for table in COMMIT_ORDER:
            parts = [part for part in record.parts if part.table is table]
            if parts:
                still_holds()
                self.tables.add(table, parts, record.run_id, record.wave)
        self._store.delete(record.key)


def missing_parts(tables: Tables, record: WaveRecord) -> list[Part]:
    """List the part files of a record that are gone, or not as long as the record says.

    Files that a table has added already are that table's business: it may have rewritten them.
    """
    parts = [part for part in record.parts if not _has(tables, part.table, record)]
    sizes: dict[str, int] = {}
    for folder in {part.key.rpartition("/")[0] for part in parts}:
        sizes |= {found.key: found.size for found in tables.store.scan(f"{folder}/")}
    return [part for part in parts if sizes.get(part.key) != part.size]


def _has(tables: Tables, table: TableName, record: WaveRecord) -> bool:
    """Tell whether a table has the files of a record."""
    delta = tables.open(table)
    seen = None if delta is None else delta.transaction_version(record.run_id)
    return seen is not None and int(seen) >= record.wave
