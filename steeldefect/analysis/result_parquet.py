"""Write results as Parquet files, one batch of rows at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from steeldefect.analysis.record_batches import BATCH_ROWS, record_batches
from steeldefect.analysis.result_columns import (
    for_parquet,
    for_plain_parquet,
    projected,
    unique_names,
)

MARK = b"steeldefect.export"
"""Key in the metadata of the files that `write_plain_parts` writes; its value names the table."""

_PART_ROWS = 1_000_000


def write_parquet(relation: duckdb.DuckDBPyRelation, path: Path) -> int:
    """Write a result as a Parquet file.

    Columns of the same name are numbered: `key`, `key_1`. Types that Parquet does not have
    (intervals, unions, bit strings, times with a zone) become text. Whole numbers of 128 bits
    become decimals.

    Returns:
        Number of rows.

    Raises:
        duckdb.Error: DuckDB failed while the rows were read.
        OSError: the file cannot be written.
    """
    rows = 0
    schema, batches = _read(relation, for_parquet)
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for batch in batches:
            writer.write_batch(batch)
            rows += batch.num_rows
    return rows


def write_plain_parts(
    relation: duckdb.DuckDBPyRelation,
    folder: Path,
    name: str,
    wrote: Callable[[int], None],
    part_rows: int = _PART_ROWS,
) -> None:
    """Write a table as a folder of Parquet files that any program reads.

    The files are `part-0000.parquet` and so on; a table without rows has one. Lists and maps become
    JSON. The compression is Snappy, which every reader of Parquet has.

    Args:
        relation: the table.
        folder: a new folder.
        name: name of the table, for the metadata of the files.
        wrote: called with the number of rows that were written, again and again.
        part_rows: number of rows after which the next file begins.

    Raises:
        duckdb.Error: DuckDB failed while the rows were read.
        OSError: a file cannot be written.
    """
    folder.mkdir()
    schema, batches = _read(relation, for_plain_parquet)
    schema = schema.with_metadata({MARK: name})
    left: pa.RecordBatch | None = next(batches, None)
    number = 0
    while left is not None or number == 0:
        path = folder / f"part-{number:04d}.parquet"
        with pq.ParquetWriter(path, schema, compression="snappy") as writer:
            rows = 0
            while left is not None and rows < part_rows:
                writer.write_batch(left.replace_schema_metadata(schema.metadata))
                wrote(left.num_rows)
                rows += left.num_rows
                left = next(batches, None)
        number += 1


def _read(
    relation: duckdb.DuckDBPyRelation, expression_for: Callable[[str, str], str]
) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    """Return the schema of a converted result, and its batches while they are read."""
    converted = projected(relation, expression_for)
    names = unique_names(relation.columns)
    kinds = converted.limit(0).to_arrow_table().schema.types
    schema = pa.schema(list(zip(names, kinds, strict=True)))
    batches = (
        pa.RecordBatch.from_arrays(batch.columns, schema=schema)
        for batch in record_batches(converted, BATCH_ROWS)
    )
    return schema, batches
