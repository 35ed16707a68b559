"""Read the pictures of a queue from a file that `steeldefect review pick --to` wrote."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pyarrow as pa

from steeldefect.errors import DataError

_READERS = {
    ".csv": "read_csv(?, all_varchar = true, header = true)",
    ".json": "read_json(?)",
    ".parquet": "read_parquet(?)",
}


def read_queue(path: Path) -> pa.Table:
    """Read the columns source and key of a queue; other columns are ignored.

    Raises:
        DataError: the file is missing, has another ending or other columns, or has no rows.
    """
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise DataError(f"{path}: a queue is a file that ends with {', '.join(_READERS)}")
    statement = f"SELECT source::VARCHAR AS source, key::VARCHAR AS key FROM {reader}"  # noqa: S608
    with duckdb.connect(":memory:") as connection:
        try:
            found: pa.Table = connection.sql(statement, params=[str(path)]).to_arrow_table()
        except duckdb.Error as error:
            first = str(error).strip().split("\n")[0]
            raise DataError(
                f"{path} is no queue: {first}; write it with `steeldefect review pick --to`"
            ) from None
    if found.num_rows == 0:
        raise DataError(f"{path} names no picture")
    return found
