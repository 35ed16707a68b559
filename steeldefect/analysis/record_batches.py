"""Read the result of a query batch by batch."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pyarrow as pa

BATCH_ROWS = 10_000
"""Rows of a result that are in memory at a time."""


def record_batches(relation: duckdb.DuckDBPyRelation, rows: int) -> Iterator[pa.RecordBatch]:
    """Yield the batches of a result, of at most `rows` rows.

    Raises:
        duckdb.Error: the query failed while its result was read; Arrow reports that as its own
            error, or as an OSError.
    """
    try:
        yield from relation.to_arrow_reader(rows)
    except (pa.ArrowException, OSError) as error:
        raise duckdb.Error(str(error)) from None
