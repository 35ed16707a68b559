"""Turn tuples of values into the columns of a table, without a dictionary for each row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from steeldefect.pictures.run_lengths import Runs
from steeldefect.tables.provenance import Origin, with_provenance
from steeldefect.tables.schema import PARTITION, RUN_LENGTHS, SCHEMAS, TableName


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
        shared: values of columns that all rows share; columns that the table lacks are left out.
        origin: provenance of the rows.

    Returns:
        Columns of the schema; those that are named nowhere are null.
    """
    schema = SCHEMAS[table].columns
    columns = dict(zip(names, zip(*rows, strict=True), strict=True))
    made = {
        name: run_length_texts(values)
        if name == RUN_LENGTHS
        else pa.array(values, schema.field(name).type)
        for name, values in columns.items()
    }
    made |= {name: pa.repeat(value, len(rows)) for name, value in shared.items()}
    return with_provenance(table, pa.table(made), origin).drop_columns([PARTITION])


def run_length_texts(masks: Sequence[Runs]) -> pa.StringArray:
    """Write the runs of many masks as text, as `run_lengths.to_text` does.

    Arrow writes all numbers at once, which takes less time than one by one in Python.

    Args:
        masks: int64 (n, 2) each.
    """
    sizes = np.fromiter((one.size for one in masks), np.int64, len(masks))
    ends = np.concatenate(([0], np.cumsum(sizes)))
    numbers = np.concatenate([one.ravel() for one in masks]) if len(masks) else np.empty(0, int)
    tokens = pa.LargeListArray.from_arrays(ends, pa.array(numbers, pa.int64()).cast(pa.string()))
    return pc.binary_join(tokens, " ").cast(pa.string())
