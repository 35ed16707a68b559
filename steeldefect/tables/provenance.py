"""Provenance: which run and which bundle made a row, and when.

All rows get their provenance columns here, whoever writes them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd
import pyarrow as pa

from steeldefect.tables.schema import PARTITION, SCHEMAS, TableName


@dataclass(frozen=True)
class Origin:
    """What a row says of its making; the provenance columns of every table.

    `run_number`: of the lease under which the run writes; None where there is none.
    """

    run_id: str
    bundle: str
    scored_at: datetime
    run_number: int | None = None

    @property
    def date(self) -> str:
        """The partition, `YYYY-MM-DD` in UTC."""
        return self.scored_at.date().isoformat()

    @property
    def columns(self) -> dict[str, Any]:
        """The provenance columns of a row, the partition column included."""
        return {
            "run_id": self.run_id,
            "bundle": self.bundle,
            "scored_at": self.scored_at,
            "run_number": self.run_number,
            PARTITION: self.scored_at.date(),
        }


def stored_rows(table: TableName, rows: list[dict[str, Any]], origin: Origin) -> pa.Table:
    """Return rows with their provenance as data files hold them: without the partition column."""
    return pa.Table.from_pylist([row | origin.columns for row in rows], SCHEMAS[table].stored)


def whole_rows(table: TableName, rows: list[dict[str, Any]], origin: Origin) -> pa.Table:
    """Return rows with their provenance in the table's whole schema."""
    return pa.Table.from_pylist([row | origin.columns for row in rows], SCHEMAS[table].columns)


def whole_frame(table: TableName, frame: pd.DataFrame, origin: Origin) -> pa.Table:
    """Return many rows with their provenance in the table's whole schema, column by column."""
    provenance = origin.columns
    schema = SCHEMAS[table].columns
    columns = [
        pa.repeat(pa.scalar(provenance[field.name], field.type), len(frame))
        if field.name in provenance
        else pa.array(frame[field.name], field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(columns, schema=schema)
