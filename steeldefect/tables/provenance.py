"""Provenance: the columns that say which run and which bundle made a row, and when.

All rows of all tables get their provenance columns here.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa

from steeldefect.tables.schema import PARTITION, SCHEMAS, TableName


@dataclass(frozen=True)
class Origin:
    """The run that makes rows: values of the provenance columns of every table.

    Attributes:
        run_id: id of the run.
        bundle: digest of the bundle.
        scored_at: start of the run (UTC).
        run_number: number of the lease under which the run writes; None if there is no lease.
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
        """Values of the provenance columns, the partition column included."""
        return {
            "run_id": self.run_id,
            "bundle": self.bundle,
            "scored_at": self.scored_at,
            "run_number": self.run_number,
            PARTITION: self.scored_at.date(),
        }


def stored_rows(table: TableName, rows: list[dict[str, Any]], origin: Origin) -> pa.Table:
    """Return rows with their provenance, without the partition column, as data files hold them."""
    return pa.Table.from_pylist([row | origin.columns for row in rows], SCHEMAS[table].stored)


def whole_rows(table: TableName, rows: list[dict[str, Any]], origin: Origin) -> pa.Table:
    """Return rows with their provenance in the table's whole schema."""
    return pa.Table.from_pylist([row | origin.columns for row in rows], SCHEMAS[table].columns)


def with_provenance(table: TableName, rows: pa.Table, origin: Origin) -> pa.Table:
    """Return rows with their provenance in the table's whole schema.

    Args:
        table: table that the rows belong to.
        rows: all columns of the schema except those of the provenance; others are left out. An
            added column that is missing is null.
        origin: provenance of the rows.
    """
    provenance = origin.columns
    columns = []
    for field in SCHEMAS[table].columns:
        if field.name in provenance:
            value = pa.scalar(provenance[field.name], field.type)
            columns.append(pa.repeat(value, rows.num_rows))
        elif field.name in rows.column_names:
            columns.append(rows[field.name].cast(field.type))
        else:
            columns.append(pa.nulls(rows.num_rows, field.type))
    return pa.Table.from_arrays(columns, schema=SCHEMAS[table].columns)
