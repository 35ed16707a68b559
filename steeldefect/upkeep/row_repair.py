"""Repair rows: drop rows that contradict other tables, and correct the counts in `runs`.

If a picture has not as many rows in `predictions`, `defects` or `mask_levels` as its row of
`images` states, it loses its rows in all four tables; the next run finds no row of it, and scores
it again. Of duplicate rows, one stays.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from steeldefect.publish.runs import Outcome, RunRecord
from steeldefect.stores import Store
from steeldefect.tables.data_files import data_files, read_files
from steeldefect.tables.delta import Tables
from steeldefect.tables.exchange import exchange_files
from steeldefect.tables.parts import part_name, write_file
from steeldefect.tables.provenance import Origin, whole_rows
from steeldefect.tables.schema import SCHEMAS, TableName
from steeldefect.upkeep.run_counts import (
    UNIQUE,
    RecordedRun,
    RunCounts,
    count_runs,
    doubled,
    misfits,
    open_rows,
    origins,
    recorded_runs,
)

_AT_ONCE = 500_000  # rows of runs that are repaired together, unless one run has more


@dataclass
class RepairedRows:
    """The result of a repair of rows.

    Attributes:
        done: steps that were done, in words.
        pictures: number of pictures that lost their rows, by the damage or by the repair.
    """

    done: list[str] = field(default_factory=list)
    pictures: int = 0


class RowRepair:
    """A repair of the rows of one output whose logs and data files are sound."""

    def __init__(self, store: Store, tables: Tables, still_holds: Callable[[], None]) -> None:
        """Prepare; nothing is read yet.

        Args:
            store: the output.
            tables: tables of the output.
            still_holds: function that raises `OutputBusyError` if another run has taken over.
        """
        self._store = store
        self._tables = tables
        self._still_holds = still_holds

    def repair(self, run_ids: Collection[str]) -> RepairedRows:
        """Drop duplicate and contradictory rows of runs, and correct the counts in `runs`.

        Args:
            run_ids: ids of the runs.

        Raises:
            OutputBusyError: another run has taken over.
            StoreError: the store refused, or does not answer; start again.
        """
        repaired = RepairedRows()
        with open_rows(self._tables) as rows:
            before = {one.run_id: one for one in count_runs(rows)}
            recorded = {one.run_id: one for one in recorded_runs(rows)}
        for chunk in _chunks(sorted(run_ids), before):
            self._sift(chunk, recorded, repaired)
        with open_rows(self._tables) as rows:
            after = {one.run_id: one for one in count_runs(rows)}
        for run_id in sorted(run_ids & recorded.keys()):
            run = recorded[run_id]
            repaired.pictures += _lost(before.get(run_id, RunCounts(run_id)), run)
            if self._correct(run, after.get(run_id, RunCounts(run_id))):
                repaired.done.append(f"runs: corrected the row of run {run_id}")
        return repaired

    def restore_runs(self, run_ids: Collection[str]) -> int:
        """Write lost rows of `runs`, from the rows of the other tables.

        Args:
            run_ids: ids of the runs.

        Returns:
            The number of rows that were written.

        Raises:
            OutputBusyError: another run has taken over.
            StoreError: the store refused, or does not answer; start again.
        """
        with open_rows(self._tables) as rows:
            counts = {one.run_id: one for one in count_runs(rows)}
            found = origins(rows, sorted(run_ids)).to_pylist()
        for row in found:
            self._still_holds()
            restored = _restored(row, counts[row["run_id"]])
            self._tables.replace(TableName.RUNS, restored, {"run_id": row["run_id"]})
        return len(found)

    def fail_run(self, run_id: str) -> str:
        """Mark an evaluation or review as failed in `runs`, because its rows are lost.

        Returns:
            What people should do.

        Raises:
            OutputBusyError: another run has taken over.
            StoreError: the store refused, or does not answer; start again.
        """
        row = self._tables.read(TableName.RUNS, None, {"run_id": run_id}).to_pylist()[0]
        again = "import the reviews again" if row["job"] == "review" else "evaluate again"
        stated = {"outcome": Outcome.FAILED.value, "error": f"its rows were lost; {again}"}
        self._replace(row | stated)
        return again

    def _sift(
        self, run_ids: list[str], recorded: dict[str, RecordedRun], repaired: RepairedRows
    ) -> None:
        """Drop contradictory and duplicate rows of some runs.

        `images` comes first, so that no reader sees a verdict without its findings.
        """
        with open_rows(self._tables) as rows:
            bad = misfits(rows, run_ids)
            twice = {table: doubled(rows, table, run_ids) for table in UNIQUE}
        repaired.pictures += sum(_loses(row, recorded) for row in bad.to_pylist())
        for table in UNIQUE:
            contradicted = bad if table is not TableName.QUARANTINE else bad.slice(0, 0)
            dropped = self._drop(table, contradicted, twice[table], run_ids)
            if dropped:
                repaired.done.append(f"{table.value}: dropped {dropped} rows")

    def _drop(
        self, table: TableName, bad: pa.Table, twice: pa.Table, run_ids: Sequence[str]
    ) -> int:
        """Rewrite the data files that hold unwanted rows, in one commit.

        Args:
            table: table to write.
            bad: pictures whose rows are dropped, with the columns run_id, source, key.
            twice: values of duplicate rows, with the columns of `UNIQUE`; one row of each stays.
            run_ids: ids of the runs that these rows belong to.

        Returns:
            The number of rows that were dropped.
        """
        delta = self._tables.open(table)
        if delta is None or bad.num_rows + twice.num_rows == 0:
            return 0
        # rows of `agreement` belong to two runs, and files say of one which they hold
        files = [
            file
            for file in data_files(self._store, table, delta)
            if table is TableName.AGREEMENT or file.may_hold(run_ids)
        ]
        removed, added, dropped = [], [], 0
        seen: set[tuple[Any, ...]] = set()
        for file, rows in read_files(self._store, table, delta, files):
            kept = _kept(rows, bad, twice, seen)
            if kept.all():
                continue
            removed.append(file)
            dropped += int(rows.num_rows - kept.sum())
            if kept.any():
                name = part_name(f"repaired-{uuid.uuid4().hex}")
                left = rows.filter(pa.array(kept))
                added.append(write_file(self._store, table, left, file.date, name))
        if removed:
            self._still_holds()
            exchange_files(self._tables, table, removed, added, data_change=True)
        return dropped

    def _correct(self, run: RecordedRun, counts: RunCounts) -> bool:
        """Write the row of a run again if it is there twice, or states other counts.

        Returns:
            Whether the row was written.
        """
        stated = {
            "scored": counts.images,
            "quarantined": counts.quarantine,
            "defective": counts.defective,
        }
        rows = self._tables.read(TableName.RUNS, None, {"run_id": run.run_id}).to_pylist()
        row = max(rows, key=lambda one: float(one["seconds"]))
        counted = run.job == "score" and run.outcome is not Outcome.RUNNING
        corrected = row | stated if counted else row
        if corrected == row and len(rows) == 1:
            return False
        self._replace(corrected)
        return True

    def _replace(self, row: dict[str, Any]) -> None:
        """Write the row of a run in place of all its rows in `runs`."""
        self._still_holds()
        table = pa.Table.from_pylist([row], SCHEMAS[TableName.RUNS].columns)
        self._tables.replace(TableName.RUNS, table, {"run_id": row["run_id"]})


def _chunks(run_ids: list[str], counts: dict[str, RunCounts]) -> Iterator[list[str]]:
    """Yield the runs in lists with at most `_AT_ONCE` rows together, or with one run."""
    chunk: list[str] = []
    rows = 0
    for run_id in run_ids:
        one = counts.get(run_id, RunCounts(run_id))
        if chunk and rows + one.all_found > _AT_ONCE:
            yield chunk
            chunk, rows = [], 0
        chunk.append(run_id)
        rows += one.all_found
    if chunk:
        yield chunk


def _kept(
    rows: pa.Table, bad: pa.Table, twice: pa.Table, seen: set[tuple[Any, ...]]
) -> npt.NDArray[np.bool_]:
    """Return a mask of the rows that stay; `seen` collects the duplicate rows met so far."""
    kept = np.ones(rows.num_rows, np.bool_)
    picture = UNIQUE[TableName.IMAGES]
    kept[_places(rows, bad, picture)] = False
    if "shadow_run" in rows.column_names:  # `agreement` is of two runs
        of_shadow = bad.rename_columns({"run_id": "shadow_run"})
        kept[_places(rows, of_shadow, ("shadow_run", *picture[1:]))] = False
    names = twice.column_names
    for place in _places(rows, twice, names):
        row = tuple(rows[name][place].as_py() for name in names)
        kept[place] &= row not in seen
        seen.add(row)
    return kept


def _places(rows: pa.Table, wanted: pa.Table, names: Sequence[str]) -> list[int]:
    """Return the positions of rows whose values of the named columns occur in `wanted`."""
    if wanted.num_rows == 0:
        return []
    numbered = rows.select(names).append_column("row", pa.array(np.arange(rows.num_rows)))
    same = wanted.select(names).cast(rows.select(names).schema)
    found = numbered.join(same, keys=list(names), join_type="left semi")
    return sorted(found["row"].to_pylist())


def _loses(row: dict[str, Any], recorded: dict[str, RecordedRun]) -> bool:
    """Return whether a contradictory picture is counted as scored again here.

    A picture without a row in `images` is not counted here if the run's row in `runs` states the
    number of its pictures: then `_lost` counts it.
    """
    run = recorded.get(row["run_id"])
    return bool(row["scored"]) or run is None or run.outcome is Outcome.RUNNING


def _lost(counts: RunCounts, run: RecordedRun) -> int:
    """Return the number of a run's pictures that no table holds any more."""
    if run.job != "score" or run.outcome is Outcome.RUNNING:
        return 0
    return max(run.scored - counts.images, 0) + max(run.quarantined - counts.quarantine, 0)


def _restored(row: dict[str, Any], counts: RunCounts) -> pa.Table:
    """Return a row of `runs`, restored from other tables; its other columns keep defaults."""
    record = RunRecord(
        job="score",
        source=row["source"],
        outcome=Outcome.FAILED,
        seconds=0.0,
        error="the row of this run was lost, and restored from the rows of other tables",
        scored=counts.images,
        quarantined=counts.quarantine,
        defective=counts.defective,
        classes=row["classes"],
        shadow_of=row["shadow_of"],
    )
    made = Origin(row["run_id"], row["bundle"], row["scored_at"], row["run_number"])
    values = asdict(record) | {"outcome": record.outcome.value, "versions": "{}"}
    return whole_rows(TableName.RUNS, [values], made)
