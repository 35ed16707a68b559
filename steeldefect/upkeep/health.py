"""Check the tables of one output: find damage, and state how to repair it.

Nothing is written. Changes that runs and other tools may make are not damage: rewritten, compacted
and vacuumed files, runs that failed, a wave that is being published.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from urllib.parse import unquote

import duckdb
import pyarrow as pa
from deltalake import DeltaTable

from steeldefect.errors import (
    NewerTableError,
    StoreUnavailableError,
    TableError,
    UnreadableFileError,
)
from steeldefect.publish import claims, lease
from steeldefect.publish.commit import missing_parts
from steeldefect.publish.runs import Outcome
from steeldefect.publish.wave_records import pending_records, read_record
from steeldefect.stores import Store
from steeldefect.tables.data_files import DataFile, data_files, read_files
from steeldefect.tables.delta import WITH_IMAGES, Tables
from steeldefect.tables.delta_errors import plain
from steeldefect.tables.schema import TableName
from steeldefect.upkeep.damage import Damage, Problem, in_order, unsound
from steeldefect.upkeep.delta_log import DeltaLog, LogFault
from steeldefect.upkeep.run_counts import (
    UNIQUE,
    RecordedRun,
    Rows,
    RunCounts,
    count_copies,
    count_runs,
    lost_evaluations,
    open_rows,
    recorded_runs,
)

_CUT_SHORT = (Outcome.FAILED, Outcome.INTERRUPTED)


def check_tables(store: Store, *, whole: bool = False) -> list[Problem]:
    """Find the problems of an output.

    Files are checked first. Rows are counted only if no log, data file, claim or wave record is
    damaged.

    Args:
        store: the output. It may be in use: a wave that is being published is not a problem.
        whole: whether to read all columns of all data files, not only those that the checks need.

    Returns:
        The problems, in the order in which they are repaired.

    Raises:
        TableError: a newer version of this program wrote a table, or a table cannot be opened for
            an unknown reason.
        StoreError: the store refused, or does not answer.
    """
    tables = Tables(store)
    in_progress = runs_in_progress(store)
    problems = _check_waves(store)
    for table in TableName:
        problems += check_files(store, tables, table)
    if not any(one.damage in (Damage.LOG, Damage.CLAIM) for one in problems):
        problems += _check_parts(store, tables)
    if whole and not problems:
        problems += _read_whole(store, tables)
    if problems:
        return in_order(problems)
    found = check_rows(store, tables, in_progress)
    in_progress |= runs_in_progress(store)
    return in_order(one for one in found if one.subject not in in_progress)


def require_sound(store: Store) -> None:
    """Raise if an output is damaged.

    Args:
        store: the output. The caller holds it, and its wave records are carried out.

    Raises:
        TableError: the output is damaged; the message lists problems and how to repair them.
        StoreError: see `check_tables`.
    """
    problems = check_tables(store)
    if problems:
        raise unsound(store, problems)


def runs_in_progress(store: Store) -> set[str]:
    """Return the ids of runs whose rows may be in some tables and not yet in others."""
    runs = {key.rpartition("/")[2].rpartition("-")[0] for key in pending_records(store)}
    holder = lease.current_run(store)
    return runs | ({holder} if holder else set())


def check_files(store: Store, tables: Tables, table: TableName) -> list[Problem]:
    """Check the log of one table, and that its data files exist and have the stated sizes."""
    try:
        delta = tables.open(table)
    except NewerTableError:
        raise
    except (TableError, StoreUnavailableError):
        faults = DeltaLog(table, store.scan(f"{table.value}/")).faults(store)
        if not faults:
            raise
        return [_log_problem(table, fault) for fault in faults]
    found = list(store.scan(f"{table.value}/"))
    if delta is None:
        hinted = DeltaLog(table, found).faults(store)
        return [_log_problem(table, fault) for fault in hinted]
    problems = [_log_problem(table, fault) for fault in DeltaLog(table, found).emptied()]
    if problems:
        return problems  # which files the table names is not known
    sizes = {one.key.removeprefix(f"{table.value}/"): one.size for one in found}
    for file in data_files(store, table, delta):
        size = sizes.get(file.path, sizes.get(unquote(file.path)))
        if size == file.size or file.elsewhere:
            continue
        state = "is gone" if size is None else f"has {size} bytes instead of {file.size}"
        problems.append(
            Problem(Damage.FILE, table.value, f"data file {file.path} {state}", file.path)
        )
    return problems


def check_rows(store: Store, tables: Tables, in_progress: set[str]) -> list[Problem]:
    """Compare the numbers of rows of all runs between the tables, whose files are sound.

    Args:
        store: the output.
        tables: tables of the output.
        in_progress: ids of the runs in progress. Runs that are in progress when the tables are
            open are added to it, because a run may begin after the caller's check and end while
            rows are counted.

    Raises:
        TableError: see `Tables.open`.
        StoreError: the store refused, or does not answer.
    """
    try:
        with open_rows(tables) as rows:
            in_progress |= runs_in_progress(store)
            counts = {one.run_id: one for one in count_runs(rows)}
            recorded = {one.run_id: one for one in recorded_runs(rows)}
            in_progress |= {
                run_id for run_id, run in recorded.items() if run.shadow_of in in_progress
            }
            copies = _count_copies(rows, counts, recorded)
            evaluations = lost_evaluations(rows)
    except (duckdb.Error, OSError, pa.ArrowException) as error:
        problems = [one for table in TableName for one in _unreadable(store, tables, table)]
        if not problems:
            # each file can be read now: the cause was the store or this host
            raise StoreUnavailableError(
                f"the tables at {store.uri} could not be read: {plain(error)}; start again"
            ) from None
        return problems
    problems = list(_absent(tables, recorded.values()))
    for run_id in sorted(counts.keys() | recorded.keys()):
        counted = counts.get(run_id, RunCounts(run_id))
        problems += _check_run(counted, recorded.get(run_id))
    for table, runs in copies.items():
        for run_id, count in sorted(runs.items()):
            detail = f"{count} rows of run {run_id} are copies of other rows"
            problems.append(Problem(Damage.COUNTS, table.value, detail, run_id))
    for run_id, table in evaluations.items():
        what = "review" if table is TableName.REVIEWS else "evaluation"
        detail = f"no row of the {what} {run_id}"
        problems.append(Problem(Damage.EVALUATION, table.value, detail, run_id))
    return problems


def _count_copies(
    rows: Rows, counts: Mapping[str, RunCounts], recorded: Mapping[str, RecordedRun]
) -> dict[TableName, dict[str, int]]:
    """Count duplicate rows of the runs for which `runs` does not state the number of rows."""
    open_ended = (Outcome.RUNNING, *_CUT_SHORT)
    runs = {run_id for run_id, run in recorded.items() if run.outcome in open_ended}
    wanted = sorted(counts.keys() & runs)
    return {table: count_copies(rows, table, wanted) for table in UNIQUE}


def _check_run(counts: RunCounts, run: RecordedRun | None) -> Iterator[Problem]:
    """Compare the numbers of rows of one run between the tables, and with its row in `runs`."""
    name = f"run {counts.run_id}"
    for table, detail in _contradictions(counts):
        problem = f"{name}: {detail} in images, picture by picture"
        yield Problem(Damage.FINDINGS, table, problem, counts.run_id)
    if run is None:
        rows = counts.all_found + counts.quarantine
        detail = f"{name} has no row, but {rows} rows in other tables"
        yield Problem(Damage.RUN, "runs", detail, counts.run_id)
        return
    if run.rows > 1:
        detail = f"{name} has {run.rows} rows, expected 1"
        yield Problem(Damage.COUNTS, "runs", detail, counts.run_id)
    if run.job != "score" or run.outcome is Outcome.RUNNING:
        return
    pairs = (
        ("images", counts.images, run.scored),
        ("quarantine", counts.quarantine, run.quarantined),
    )
    for table, found, stated in pairs:
        # the next run may have completed a wave of a run that failed or was interrupted
        if found == stated or (run.outcome in _CUT_SHORT and found > stated):
            continue
        detail = f"{found} rows of {name}, but runs states {stated}"
        yield Problem(Damage.COUNTS, table, detail, counts.run_id)


def _contradictions(counts: RunCounts) -> Iterator[tuple[str, str]]:
    """Yield each table whose rows are not as many as `images` states, with the numbers."""
    if not counts.fits:
        yield (
            "predictions",
            f"{counts.predictions} predictions do not match the {counts.defects} defects",
        )
    if not counts.regions_fit:
        yield (
            "defects",
            f"{counts.kept_regions} kept regions do not match the {counts.regions} regions",
        )
    if not counts.levels_fit:
        yield "mask_levels", f"{counts.level_rows} rows do not match the {counts.level_masks} masks"


def _absent(tables: Tables, recorded: Collection[RecordedRun]) -> Iterator[Problem]:
    """Find tables that are gone: a run creates all tables before it publishes its first wave.

    Programs before schema version 4 created no tables `defects` and `mask_levels`, and gave
    `images` no column `regions`.
    """
    created = any(
        run.waves > 0 or run.outcome is Outcome.RUNNING or run.job != "score" for run in recorded
    )
    images = tables.open(TableName.IMAGES)
    older = images is not None and "regions" not in {one.name for one in images.schema().fields}
    for table in TableName:
        if table in WITH_IMAGES and older:
            continue
        if created and tables.open(table) is None:
            yield Problem(Damage.TABLE, table.value, "the table is gone")


def _check_waves(store: Store) -> list[Problem]:
    """Check that the newest claim and all wave records can be read."""
    problems = []
    try:
        claims.newest_claim(store)
    except TableError:
        key = f"{claims.CLAIMS}{claims.newest_number(store):09d}.json"
        problems.append(Problem(Damage.CLAIM, key, "the claim cannot be read", key))
    for key in pending_records(store):
        try:
            read_record(store, key)
        except TableError:
            problems.append(Problem(Damage.RECORD, key, "the wave record cannot be read", key))
    return problems


def _check_parts(store: Store, tables: Tables) -> list[Problem]:
    """Check that the parts of all wave records that count exist."""
    newest = claims.newest_claim(store)
    problems = []
    for key in pending_records(store):
        try:
            record = read_record(store, key)
        except TableError:
            continue  # `_check_waves` has found it
        if record is None or not newest.covers(key, record.holder):
            continue
        missing = missing_parts(tables, record)
        if missing:
            detail = (
                f"{len(missing)} of its {len(record.parts)} data files are gone or cut short, such "
                f"as {missing[0].key}"
            )
            problems.append(Problem(Damage.PARTS, key, detail, key))
    return problems


def _read_whole(store: Store, tables: Tables) -> Iterator[Problem]:
    """Find the data files of all tables that cannot be read."""
    for table in TableName:
        # if another program changed the table so that this one cannot read it whole, skip it
        with suppress(TableError):
            yield from _unreadable(store, tables, table)


def _unreadable(store: Store, tables: Tables, table: TableName) -> Iterator[Problem]:
    """Find the data files of a table that cannot be read."""
    delta = tables.open(table)
    files = [] if delta is None else data_files(store, table, delta)
    if delta is None or _readable(store, table, delta, files):
        return
    for file in files:
        if not _readable(store, table, delta, [file]):
            detail = f"data file {file.path} cannot be read"
            yield Problem(Damage.FILE, table.value, detail, file.path)


def _readable(store: Store, table: TableName, delta: DeltaTable, files: list[DataFile]) -> bool:
    """Return whether all of the given data files can be read."""
    try:
        for _ in read_files(store, table, delta, files):
            pass
    except UnreadableFileError:
        return False
    return True


def _log_problem(table: TableName, fault: LogFault) -> Problem:
    return Problem(Damage.LOG, table.value, fault.detail, fault=fault)
