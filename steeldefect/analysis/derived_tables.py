"""Write the answer of `rethreshold` as tables of its own: images, predictions and their run.

They hold no defects and no masks at other thresholds: to measure regions needs the probabilities of
the pixels, which no table keeps.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from itertools import chain

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from steeldefect.analysis.rethreshold import Rethreshold
from steeldefect.publish import lease
from steeldefect.publish.commit import WaveLog
from steeldefect.publish.foreign_tables import require_own_tables
from steeldefect.publish.runs import Outcome, RunRecord, new_run_id, record_run
from steeldefect.publish.wave_records import WaveRecord
from steeldefect.stores import Store
from steeldefect.tables.delta import Tables
from steeldefect.tables.parts import Part, write_part
from steeldefect.tables.provenance import Origin, with_provenance
from steeldefect.tables.schema import SCHEMAS, TableName, Verdict

_PICTURES = pa.schema([("source", pa.string()), ("key", pa.string())])
_UNKNOWN = ("regions", "rejected_regions", "level_masks", "audit_defects", "audit_regions")


def write_derived(
    answer: Rethreshold, source: str, output: Store, wait_seconds: float
) -> dict[str, int]:
    """Write an answer to an output, in one wave.

    Args:
        answer: the answer.
        source: address of the tables that it comes from.
        output: where it is written; tables that are there stay, and get more rows.
        wait_seconds: longest time to wait for another run that writes there.

    Returns:
        Number of pictures (`pictures`) and of defective pictures (`defective`).

    Raises:
        OutputBusyError: another run writes to the output.
        StoreError: the store refused, or does not answer; nothing is visible.
    """
    began = datetime.now(UTC)
    require_own_tables(output)
    tables, run_id = Tables(output), new_run_id(began)
    with lease.hold(output, run_id, wait_seconds) as held:
        origin = Origin(run_id, answer.derived_bundle, began, held.number)
        log = WaveLog(tables)
        log.recover(held.number)
        writer = _Writer(output, origin)
        for rows in chain(answer.others(), answer.found()):
            writer.add_findings(rows)
        for rows in answer.images():
            writer.add_images(rows)
        held.check()
        tables.create_all()
        record = RunRecord(
            job="rethreshold",
            source=source,
            outcome=Outcome.SUCCESS,
            seconds=(datetime.now(UTC) - began).total_seconds(),
            settings=answer.question,
            classes=json.dumps(answer.class_names()),
            planned=writer.pictures,
            scored=writer.pictures,
            defective=writer.defective,
            waves=1,
            thresholds=answer.thresholds.model_dump_json(),
        )
        record_run(tables, origin, record)  # rows need their run
        log.publish(WaveRecord(run_id, 1, writer.parts, held.number), held.check)
    return {"pictures": writer.pictures, "defective": writer.defective}


class _Writer:
    """Writes parts, and counts the classes found on each picture."""

    def __init__(self, output: Store, origin: Origin) -> None:
        self.parts: list[Part] = []
        self.pictures = 0
        self.defective = 0
        self._output = output
        self._origin = origin
        self._classes = _PICTURES.empty_table()

    def add_findings(self, rows: pa.Table) -> None:
        """Write findings, with the columns of `FOUND`."""
        if rows.num_rows:
            self._classes = pa.concat_tables([self._classes, rows.select(["source", "key"])])
            self._write(TableName.PREDICTIONS, rows)

    def add_images(self, rows: pa.Table) -> None:
        """Write rows of `images` with the verdicts that the findings give."""
        counts = self._counts(rows)
        found = pa.array(counts, pa.int32())
        verdicts = pc.if_else(
            pc.equal(rows["verdict"], Verdict.GATED.value),
            Verdict.GATED.value,
            pc.if_else(pc.greater(found, 0), Verdict.DEFECT.value, Verdict.CLEAN.value),
        )
        changed = {"defects": found, "verdict": verdicts}
        changed |= {name: pa.nulls(rows.num_rows, pa.int32()) for name in _UNKNOWN}
        for name, column in changed.items():
            rows = rows.set_column(rows.column_names.index(name), name, column)
        self.pictures += rows.num_rows
        self.defective += int((counts > 0).sum())
        self._write(TableName.IMAGES, rows)

    def _counts(self, rows: pa.Table) -> npt.NDArray[np.int32]:
        """Return the number of classes found on each picture."""
        counted = self._classes.group_by(["source", "key"]).aggregate([([], "count_all")])
        numbered = rows.select(["source", "key"]).append_column(
            "row", pa.array(np.arange(rows.num_rows))
        )
        joined = numbered.join(counted, keys=["source", "key"]).sort_by("row")
        return np.asarray(pc.fill_null(joined["count_all"], 0).to_numpy(), np.int32)

    def _write(self, table: TableName, rows: pa.Table) -> None:
        whole = with_provenance(table, rows, self._origin)
        stored = whole.select(SCHEMAS[table].stored.names)
        label = f"{1:06d}-{len(self.parts):06d}"
        self.parts.append(write_part(self._output, table, stored, self._origin, label))
