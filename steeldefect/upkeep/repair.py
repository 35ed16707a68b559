"""Repair an output in which `upkeep.health` found damage.

Pictures that lose their rows are scored again by the next run. Damaged objects are not deleted,
because they may help an expert: they are moved to `_damaged/<repair>/`, under their own keys. The
caller holds the output.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from steeldefect.errors import TableError
from steeldefect.publish.claims import CLAIMS
from steeldefect.publish.commit import WaveLog
from steeldefect.publish.lease import Lease
from steeldefect.publish.wave_records import pending_records, read_record
from steeldefect.stores import Store, open_store
from steeldefect.tables.data_files import data_files
from steeldefect.tables.delta import Tables
from steeldefect.tables.exchange import exchange_files
from steeldefect.tables.log_entries import entry_key
from steeldefect.tables.schema import TableName
from steeldefect.upkeep.damage import Damage, Problem
from steeldefect.upkeep.delta_log import Fault
from steeldefect.upkeep.health import check_tables
from steeldefect.upkeep.row_repair import RowRepair

ASIDE = "_damaged/"
_ROUNDS = 30  # a round repairs one kind of damage; the next round finds what it had hidden


@dataclass
class Repaired:
    """The result of a repair.

    Attributes:
        done: steps that were done, in words, in order.
        pictures: number of pictures that the next run scores again, as far as known.
        waves: number of dropped waves whose pictures could not be counted.
        left: problems that could not be repaired.
        aside: address of the folder of damaged objects; None if there were none.
    """

    done: list[str] = field(default_factory=list)
    pictures: int = 0
    waves: int = 0
    left: list[Problem] = field(default_factory=list)
    aside: str | None = None


class Repair:
    """One repair of one output."""

    def __init__(self, store: Store, held: Lease, name: str) -> None:
        """Prepare; nothing is read yet.

        Args:
            store: the output.
            held: lease of the output.
            name: name of the repair, and of its folder for damaged objects.
        """
        self._store = store
        self._held = held
        self._tables = Tables(store)
        self._aside = f"{ASIDE}{name}/"
        self._relogged: set[TableName] = set()
        self.result = Repaired()
        self._rows = RowRepair(store, self._tables, held.check)
        self._repairs: dict[Damage, Callable[[list[Problem]], None]] = {
            Damage.CLAIM: self._repair_claim,
            Damage.RECORD: self._drop_records,
            Damage.LOG: self._repair_logs,
            Damage.PARTS: self._drop_records,
            Damage.FILE: self._drop_files,
            Damage.TABLE: self._create_tables,
            Damage.FINDINGS: self._repair_rows,
            Damage.COUNTS: self._repair_rows,
            Damage.RUN: self._restore_runs,
            Damage.EVALUATION: self._fail_evaluations,
        }

    def run(self) -> Repaired:
        """Repair all damage that can be repaired, and carry out the wave records that count.

        Raises:
            OutputBusyError: another run has taken over.
            TableError: see `steeldefect.upkeep.health.check_tables`.
            StoreError: the store refused, or does not answer; start again.
        """
        self.result.left = self._repair_all()
        if not self.result.left:
            for record in WaveLog(self._tables).recover(self._held.number):
                self._say(f"completed wave {record.wave} of run {record.run_id}")
            self._held.check()
            self.result.left = self._repair_all()
        for table in self._relogged:
            delta = self._tables.open(table)
            if delta is not None:
                with self._tables.errors_of(table):
                    delta.create_checkpoint()  # so that readers need not read repaired entries
        return self.result

    def _repair_all(self) -> list[Problem]:
        """Repair one kind of damage after another, and return the problems that are left."""
        problems: list[Problem] = []
        for _ in range(_ROUNDS):
            problems = check_tables(self._store, whole=True)
            if not problems:
                break
            kind = problems[0].damage
            self._repairs[kind]([one for one in problems if one.damage is kind])
        return problems

    def _repair_claim(self, problems: list[Problem]) -> None:
        """Set aside the newest claim, and all wave records of earlier holders.

        Without the claim, it is unknown which of these records count.
        """
        key = problems[0].subject
        claimer = int(key.removeprefix(CLAIMS).removesuffix(".json"))
        for record_key in pending_records(self._store):
            try:
                record = read_record(self._store, record_key)
            except TableError:
                continue  # a separate problem: `Damage.RECORD`
            if record is not None and record.holder < claimer:
                self._drop_record(record_key)
        self._set_aside(key)
        self._say(f"set the unreadable claim {key} aside")

    def _drop_records(self, problems: list[Problem]) -> None:
        for problem in problems:
            self._drop_record(problem.subject)

    def _drop_record(self, key: str) -> None:
        try:
            record = read_record(self._store, key)
        except TableError:
            record = None
        tried = (TableName.IMAGES, TableName.QUARANTINE)
        if record is None:
            self.result.waves += 1
        else:
            self.result.pictures += sum(part.rows for part in record.parts if part.table in tried)
        self._set_aside(key)
        self._say(f"dropped the wave of {key}")

    def _repair_logs(self, problems: list[Problem]) -> None:
        for problem in problems:
            table, fault = TableName(problem.where), problem.fault
            if fault is None:
                continue
            kept = fault.kind in (Fault.CHECKPOINT, Fault.HINT)
            for key in fault.damaged:
                self._set_aside(key)
            if not kept:
                content = _first_entry(table) if fault.kind is Fault.START else _empty_entry()
                self._held.check()
                self._store.write_new(entry_key(table, fault.version), content)
            self._relogged.add(table)
            self._say(f"{table.value}: repaired its log: {fault.detail}")

    def _drop_files(self, problems: list[Problem]) -> None:
        for table in TableName:
            paths = {one.subject for one in problems if one.where == table.value}
            delta = self._tables.open(table) if paths else None
            if delta is not None:
                files = [
                    file for file in data_files(self._store, table, delta) if file.path in paths
                ]
                self._held.check()
                exchange_files(self._tables, table, files, [], data_change=True)
                self._say(f"{table.value}: took out {len(files)} lost or damaged data files")

    def _create_tables(self, problems: list[Problem]) -> None:
        for problem in problems:
            self._held.check()
            self._tables.create(TableName(problem.where))
            self._say(f"{problem.where}: created the table again")

    def _repair_rows(self, problems: list[Problem]) -> None:
        repaired = self._rows.repair({one.subject for one in problems})
        self.result.pictures += repaired.pictures
        self.result.done += repaired.done

    def _restore_runs(self, problems: list[Problem]) -> None:
        count = self._rows.restore_runs({one.subject for one in problems})
        self._say(f"runs: restored {count} lost rows from the rows of other tables")

    def _fail_evaluations(self, problems: list[Problem]) -> None:
        for problem in problems:
            again = self._rows.fail_run(problem.subject)
            self._say(f"runs: marked {problem.subject} as failed; {again}")

    def _set_aside(self, key: str) -> None:
        """Move an object to the folder of damaged objects."""
        content = self._store.read(key)
        self._held.check()
        self._store.write(f"{self._aside}{key}", content)
        self._store.delete(key)
        self.result.aside = f"{self._store.uri}/{self._aside}"

    def _say(self, what: str) -> None:
        self.result.done.append(what)


def _empty_entry() -> bytes:
    """Return the content of a log entry that changes nothing."""
    stated = {"timestamp": time.time_ns() // 1_000_000, "operation": "REPAIR"}
    return json.dumps({"commitInfo": stated}).encode() + b"\n"


def _first_entry(table: TableName) -> bytes:
    """Return the content of the log entry that creates a table with all its present columns."""
    with tempfile.TemporaryDirectory() as folder:
        Tables(open_store(folder)).create(table)
        return Path(folder, entry_key(table, 0)).read_bytes()
