"""Upkeep of one output: finish the waves of dead runs, compact tables, delete unused files.

Two steps need the lease of the output: to finish waves, and to find orphans. They take moments. If
a run holds the output, they are skipped until the next upkeep. All other steps are safe beside a
run, because each commit to a table's log names exactly the files that it replaces.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from deltalake import DeltaTable

from steeldefect.errors import OutputBusyError, TableError, UnreadableFileError
from steeldefect.publish import lease
from steeldefect.publish.claims import newest_claim
from steeldefect.publish.commit import WaveLog
from steeldefect.publish.runs import new_run_id
from steeldefect.publish.wave_records import pending_records, read_record
from steeldefect.stores import ObjectInfo, Store
from steeldefect.tables.data_files import data_files
from steeldefect.tables.delta import Tables
from steeldefect.tables.log_entries import log_folder
from steeldefect.tables.schema import TableName
from steeldefect.upkeep.compaction import Compacted, compact, plan_compaction
from steeldefect.upkeep.damage import unsound
from steeldefect.upkeep.delta_log import DeltaLog
from steeldefect.upkeep.health import check_tables
from steeldefect.upkeep.maintain_arguments import MIN_AGE, RETENTION
from steeldefect.upkeep.orphans import find_orphans, store_clock

_DELETERS = 8  # threads
_ENTRIES = 10  # log entries after a checkpoint for which a new checkpoint is not worth its bytes
_TIMING = lease.Timing()


@dataclass(frozen=True)
class UpkeepRules:
    """How long files are kept, and how long upkeep waits for a run.

    Attributes:
        min_age: smallest age at which files that nothing names are deleted; see `find_orphans`.
        retention: time for which files of earlier versions of a table are kept. Readers of such a
            version must be done within this time.
        wait_seconds: longest time to wait for the lease; it must exceed `Timing.dead_after`, so
            that the lease of a dead holder can be taken over.
    """

    min_age: timedelta = MIN_AGE
    retention: timedelta = RETENTION
    wait_seconds: float = 60.0

    @property
    def retention_hours(self) -> int:
        """Whole hours of `retention`, rounded up."""
        return -int(-self.retention // timedelta(hours=1))


@dataclass
class Upkept:
    """The result of one upkeep.

    Attributes:
        done: steps that were done, in words.
        left: steps that were left for the next upkeep, with the reason, in words.
        freed: number of bytes that were freed.
    """

    done: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    freed: int = 0


def keep_up(store: Store, rules: UpkeepRules, timing: lease.Timing = _TIMING) -> Upkept:
    """Do all steps of upkeep that are possible now.

    Args:
        store: the output.
        rules: how long files are kept.
        timing: intervals of the lease.

    Raises:
        TableError: the output is damaged. Nothing was done, or only steps that need no damaged
            data file.
        StoreError: the store refused, or does not answer; steps that were done stay done.
    """
    upkept = Upkept()
    problems = check_tables(store)
    if problems:
        raise unsound(store, problems)
    try:
        orphans = _finish(store, rules, timing, upkept)
    except OutputBusyError as busy:
        orphans = []
        cause = str(busy).partition("; ")[0]  # the rest is advice for a program that has to wait
        upkept.left.append(f"finishing waves, and files that nothing names: {cause}")
    _delete(store, orphans, upkept)
    for table in TableName:
        _keep_up_table(store, table, rules, upkept)
    return upkept


def preview(store: Store, rules: UpkeepRules) -> Upkept:
    """Return what upkeep would do; nothing is written.

    Raises:
        TableError: the output is damaged.
        StoreError: the store refused, or does not answer.
    """
    tables, upkept = Tables(store), Upkept()
    problems = check_tables(store)
    if problems:
        raise unsound(store, problems)
    upkept.done += _decided(store)
    orphans = find_orphans(store, tables, datetime.now(UTC), rules.min_age)
    if orphans:
        upkept.done.append(f"delete {len(orphans)} files that nothing names")
    upkept.freed = sum(one.size for one in orphans)
    for table in TableName:
        delta = tables.open(table)
        if delta is None:
            continue
        groups = plan_compaction(data_files(store, table, delta))
        if groups:
            small = sum(len(group) for group in groups)
            upkept.done.append(f"{table.value}: make {len(groups)} data files of {small}")
        expired = _expired(delta, tables, table, rules, _sizes(store, table))
        if expired:
            upkept.done.append(f"{table.value}: delete {len(expired)} files of earlier versions")
    holder = lease.current_run(store)
    if holder:
        upkept.left.append(
            f"finishing waves, and files that nothing names, while run {holder} is at work"
        )
    return upkept


def _decided(store: Store) -> Iterator[str]:
    """Yield, for each wave record, whether upkeep finishes or drops its wave."""
    found = [record for key in pending_records(store) if (record := read_record(store, key))]
    newest = newest_claim(store)
    for record in found:
        if newest.covers(record.key, record.holder):
            yield f"finish the wave of {record.key}"
        else:
            yield f"drop the wave of {record.key}: its record was written too late"


def _finish(
    store: Store, rules: UpkeepRules, timing: lease.Timing, upkept: Upkept
) -> list[ObjectInfo]:
    """Carry out the wave records that count, and find orphans.

    Returns:
        The files that nothing names now, and that nothing can name later.

    Raises:
        OutputBusyError: a run holds the output.
    """
    tables = Tables(store)
    run_id = new_run_id(datetime.now(UTC))
    with lease.hold(store, run_id, rules.wait_seconds, timing) as held:
        for record in WaveLog(tables).recover(held.number):
            upkept.done.append(f"finished wave {record.wave} of run {record.run_id}")
        orphans = find_orphans(store, tables, store_clock(store), rules.min_age)
        held.check()
        return orphans


def _delete(store: Store, orphans: Sequence[ObjectInfo], upkept: Upkept) -> None:
    """Delete orphans: nothing can name them later, so this does not need the lease."""
    if not orphans:
        return
    with ThreadPoolExecutor(_DELETERS, "delete") as pool:
        list(pool.map(store.delete, [one.key for one in orphans]))
    upkept.done.append(f"deleted {len(orphans)} files that nothing names")
    upkept.freed += sum(one.size for one in orphans)


def _keep_up_table(store: Store, table: TableName, rules: UpkeepRules, upkept: Upkept) -> None:
    """Compact, vacuum and checkpoint one table."""
    tables = Tables(store)
    if tables.open(table) is None:
        return
    compacted = _compact(store, tables, table, upkept)
    allowed = 0 if compacted.before else _ENTRIES  # a compaction's few entries name many files
    before = _sizes(store, table)
    _vacuum(tables, table, rules, before.keys())
    written = _checkpoint(store, tables, table, allowed)
    gone = before.keys() - _sizes(store, table).keys()
    entries = sum(key.startswith(log_folder(table)) for key in gone)
    if len(gone) > entries:
        upkept.done.append(
            f"{table.value}: deleted {len(gone) - entries} files of earlier versions"
        )
    if written is not None:
        upkept.done.append(f"{table.value}: wrote a checkpoint of version {written}")
    if entries:
        upkept.done.append(f"{table.value}: deleted {entries} files of its log that have expired")
    upkept.freed += sum(before[key] for key in gone)


def _compact(store: Store, tables: Tables, table: TableName, upkept: Upkept) -> Compacted:
    """Compact one table; if that is not possible now, add the reason to `upkept.left`."""
    try:
        with tables.errors_of(table):
            compacted = compact(store, tables, table)
    except UnreadableFileError:
        raise
    except (OutputBusyError, TableError) as error:
        upkept.left.append(f"compacting {table.value}: {error}")
        return Compacted()
    if compacted.before:
        upkept.done.append(
            f"{table.value}: made {compacted.after} data files of {compacted.before}"
        )
    return compacted


def _sizes(store: Store, table: TableName) -> dict[str, int]:
    return {one.key: one.size for one in store.scan(f"{table.value}/")}


def _vacuum(tables: Tables, table: TableName, rules: UpkeepRules, present: Collection[str]) -> None:
    """Delete the files of earlier versions whose retention is over."""
    delta = tables.open(table)
    if delta is not None and _expired(delta, tables, table, rules, present):
        with tables.errors_of(table):
            delta.vacuum(rules.retention_hours, dry_run=False, enforce_retention_duration=False)


def _expired(
    delta: DeltaTable,
    tables: Tables,
    table: TableName,
    rules: UpkeepRules,
    present: Collection[str],
) -> list[str]:
    """List the files of earlier versions whose retention is over and that still exist."""
    with tables.errors_of(table):
        paths: list[str] = delta.vacuum(rules.retention_hours, enforce_retention_duration=False)
    return [path for path in paths if f"{table.value}/{path}" in present]


def _checkpoint(store: Store, tables: Tables, table: TableName, allowed: int) -> int | None:
    """Delete expired log entries, and write a checkpoint if the last one is many entries old.

    An entry expires 30 days (`delta.logRetentionDuration`) after it was written, if a checkpoint
    that is as old covers it.

    Args:
        store: the output.
        tables: tables of the output.
        table: table whose log is tidied.
        allowed: largest number of entries after the last checkpoint without a new checkpoint.

    Returns:
        The version of the new checkpoint; None if none was written.
    """
    delta = tables.open(table)
    if delta is None:
        return None
    newest = DeltaLog(table, store.scan(log_folder(table))).newest_checkpoint
    with tables.errors_of(table):
        if newest >= 0:
            delta.cleanup_metadata()
        if delta.version() - newest <= allowed:
            return None
        delta.create_checkpoint()
        return int(delta.version())
