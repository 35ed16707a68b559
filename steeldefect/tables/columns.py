"""Turn tuples of values into the columns of a table, without a dictionary for each row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from steeldefect.pictures.run_lengths import Runs
from steeldefect.tables.provenance import Origin
from steeldefect.tables.schema import RUN_LENGTHS, SCHEMAS, TableName


def stored_columns(
    table: TableName,
    names: Sequence[str],
    rows: Sequence[Sequence[Any]],
    shared: Mapping[str, Any],
    origin: Origin,
) -> pa.Table:
    """Return rows with their provenance, without the partition column, as data files hold them.

    Args:
        table: table that the rows belong to.
        names: columns of `rows`, in their order.
        rows: one or more rows, each with a value for each of `names`. The column `run_lengths`
            holds runs.
        shared: values of columns that all rows share.
        origin: provenance of the rows.

    Returns:
        Columns of the schema; those that are named nowhere are null.
    """
    columns = dict(zip(names, zip(*rows, strict=True), strict=True))
    shared = {**shared, **origin.columns}
    schema = SCHEMAS[table].stored
    arrays = []
    for field in schema:
        if field.name == RUN_LENGTHS:
            arrays.append(run_length_texts(columns[field.name]))
        elif field.name in columns:
            arrays.append(pa.array(columns[field.name], field.type))
        elif shared.get(field.name) is None:
            arrays.append(pa.nulls(len(rows), field.type))
        else:
            arrays.append(pa.repeat(pa.scalar(shared[field.name], field.type), len(rows)))
    return pa.Table.from_arrays(arrays, schema=schema)


def run_length_texts(masks: Sequence[Runs]) -> pa.StringArray:
    """Write the runs of many masks as text, as `run_lengths.to_text` does.

    Arrow writes all numbers at once, in a third of the time that Python takes.

    Args:
        masks: int64 (n, 2) each.
    """
    sizes = np.fromiter((one.size for one in masks), np.int64, len(masks))
    ends = np.concatenate(([0], np.cumsum(sizes)))
    numbers = np.concatenate([one.ravel() for one in masks]) if len(masks) else np.empty(0, int)
    tokens = pa.LargeListArray.from_arrays(ends, pa.array(numbers, pa.int64()).cast(pa.string()))
    return pc.binary_join(tokens, " ").cast(pa.string())
