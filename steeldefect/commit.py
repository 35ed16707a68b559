"""Makes a wave's part files visible: all of them, once, whatever dies, stalls or wakes up.

First one record of the wave's files is written below `OUTPUT/_waves` in one atomic, conditional
PUT. If its writer still holds the output after that, the wave is decided: whoever takes over later
finds the record. Then the files are added to each table's Delta log, with the run and the wave as
the transaction's name, so that a commit that was already made is recognised. At last the record is
deleted.

A holder begins with `recover`: it claims the records that it finds (`steeldefect.claims`) and
carries them out. A record that a displaced holder writes later is in no claim, and is dropped.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

from pydantic import TypeAdapter, ValidationError

from steeldefect import claims
from steeldefect.claims import RECORDS, Claim, newest_claim, write_claim
from steeldefect.delta import DeltaTables
from steeldefect.errors import OutputBusyError, StoreError, TableError
from steeldefect.lease import newest_holder
from steeldefect.parts import Part
from steeldefect.stores import Store
from steeldefect.tables import TableName

COMMIT_ORDER = (TableName.PREDICTIONS, TableName.QUARANTINE, TableName.IMAGES)
"""What is referred to comes first: no reader sees a verdict without its findings.

A reader opens the tables the other way round.
"""


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


class Tables(DeltaTables):
    """The Delta tables of one output, and the publication of waves into them."""

    def __init__(self, store: Store) -> None:
        """Name the output; nothing is touched yet."""
        super().__init__(store)
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
        self._store.write_new(record.key, _RECORD.dump_json(record))
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
        found = [record for key in self.pending() if (record := self.read_record(key))]
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

    def pending(self) -> list[str]:
        """List the records of waves that are decided, but maybe not yet in every table.

        Returns:
            Their keys, the waves of a run in their order.
        """
        names = (found.key.removeprefix(RECORDS) for found in self._store.scan(RECORDS))
        return sorted(
            RECORDS + name for name in names if name.endswith(".json") and "/" not in name
        )

    def _require_newest(self, holder: int) -> None:
        """Raise `OutputBusyError` where a newer holder exists, or a newer claim."""
        if newest_holder(self._store) > holder:
            raise OutputBusyError(f"another run took over {self._store.uri}; start again")
        self.require_claim()

    def read_record(self, key: str) -> WaveRecord | None:
        """Read a record; None where its writer has carried it out and deleted it meanwhile.

        Raises:
            TableError: it is damaged, or of a form that this version does not read.
        """
        try:
            content = self._store.read(key)
        except StoreError:
            if key in self.pending():
                raise
            return None
        try:
            return _RECORD.validate_json(content)
        except ValidationError:
            raise TableError(
                f"{self._store.uri}/{key} is not the record of a wave as this version writes it; "
                "complete it with the version that wrote it, or, if it is empty or damaged, "
                "`steeldefect maintain --repair` removes it and its pictures are scored again"
            ) from None

    def _refuse_missing_parts(self, record: WaveRecord) -> None:
        missing = self.missing_parts(record)
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
                self.add(table, parts, record.run_id, record.wave)
        self._store.delete(record.key)

    def missing_parts(self, record: WaveRecord) -> list[Part]:
        """List the part files of a record that are gone, or not as long as the record says.

        Files that a table has added already are that table's business: it may have rewritten them.
        """
        parts = [part for part in record.parts if not self._has(part.table, record)]
        sizes: dict[str, int] = {}
        for folder in {part.key.rpartition("/")[0] for part in parts}:
            sizes |= {found.key: found.size for found in self._store.scan(f"{folder}/")}
        return [part for part in parts if sizes.get(part.key) != part.size]

    def _has(self, table: TableName, record: WaveRecord) -> bool:
        """Tell whether a table has the files of a record."""
        delta = self.open(table)
        seen = None if delta is None else delta.transaction_version(record.run_id)
        return seen is not None and int(seen) >= record.wave
