"""Commit a wave: make all of its parts visible, exactly once, whatever dies, stalls or wakes up.

1. The holder writes one wave record, which lists the wave's parts, below `OUTPUT/_waves`, in one
   atomic, conditional PUT.
2. If the holder still holds the output after that, the wave is decided: every later holder finds
   the record.
3. The holder adds the parts to each table's Delta log. The transaction's name is the run, its
   number is the wave. So a commit that was already made is recognised.
4. The holder deletes the record.

A holder begins with `recover`: it claims the records that it finds (`publish.claims`) and carries
them out. A record that a displaced holder writes later is in no claim, and is dropped.
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
from steeldefect.tables.schema import COMMIT_ORDER


class WaveLog:
    """The waves of one output: writes wave records, and carries them out or drops them.

    Attributes:
        tables: tables that the waves are committed to.
    """

    def __init__(self, tables: Tables) -> None:
        """Keep the tables of an output; nothing is read or written yet."""
        self.tables = tables
        self._store = tables.store
        self._claim: Claim | None = None

    def publish(self, record: WaveRecord, still_holds: Callable[[], None]) -> None:
        """Write the record of a wave, then commit the wave to every table.

        Args:
            record: record of the wave.
            still_holds: function that raises `OutputBusyError` if another run has taken over. It
                is called before the record is written, and before each table's commit.

        Raises:
            StoreError: the store refused. If the record was not yet written, nothing is published.
                If it was, the next start completes the commit.
            OutputBusyError: another run has taken over; this run publishes nothing more.
        """

        def check() -> None:
            still_holds()
            self.require_claim()

        check()
        write_record(self._store, record)
        self._carry_out(record, check)

    def require_claim(self) -> None:
        """Raise if the claim that `recover` wrote is not the newest claim.

        Two holders can have the same number if somebody deleted the lock between them. Only one of
        them has written the claim with that number. Before `recover`, nothing is checked.

        Raises:
            OutputBusyError: another claim is the newest: another run has taken over, and may plan
                the pictures that this run would publish.
            StoreError: the store has lost the claim of this holder.
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
        """Claim the wave records that earlier holders left, and carry them out.

        If another run takes over meanwhile, the method stops and returns without an error. Then
        `require_claim` or `Lease.check` raises `OutputBusyError`.

        Args:
            holder: number of the lease that the caller holds.

        Returns:
            The records that were carried out.

        Raises:
            TableError: a record is damaged, its version is unknown, or its parts are gone.
            StoreError: the store refused, or does not answer.
        """
        found = [
            record
            for key in pending_records(self._store)
            if (record := read_record(self._store, key))
        ]
        # read after the records: if a newer holder claims meanwhile, the claim shows it
        newest = newest_claim(self._store)
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
        """Raise `OutputBusyError` if there is a newer holder or a newer claim."""
        if newest_holder(self._store) > holder:
            raise OutputBusyError(f"another run took over {self._store.uri}; start again")
        self.require_claim()

    def _refuse_missing_parts(self, record: WaveRecord) -> None:
        missing = missing_parts(self.tables, record)
        if missing:
            raise TableError(
                f"{self._store.uri}/{record.key}: {len(missing)} of its {len(record.parts)} data "
                f"files are gone or cut short, such as {missing[0].key}; run `steeldefect maintain "
                "--repair`: it drops the wave, and the wave's pictures are scored again"
            )

    def _carry_out(self, record: WaveRecord, still_holds: Callable[[], None]) -> None:
        for table in COMMIT_ORDER:
            parts = [part for part in record.parts if part.table is table]
            if parts:
                still_holds()
                self.tables.add(table, parts, record.run_id, record.wave)
        self._store.delete(record.key)


def missing_parts(tables: Tables, record: WaveRecord) -> list[Part]:
    """List the parts of a wave record that are gone, or do not have the size that it states.

    Parts that were already committed to their table are not checked: the table may have rewritten
    them since.
    """
    parts = [
        part
        for part in record.parts
        if not tables.committed(part.table, record.run_id, record.wave)
    ]
    sizes: dict[str, int] = {}
    for folder in {part.key.rpartition("/")[0] for part in parts}:
        sizes |= {found.key: found.size for found in tables.store.scan(f"{folder}/")}
    return [part for part in parts if sizes.get(part.key) != part.size]
