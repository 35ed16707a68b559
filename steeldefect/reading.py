"""Reads a Delta table as an Arrow dataset, by its list of files.

`DeltaTable.to_pyarrow_dataset` turns missing column statistics into `column >= null`, and a filter
on such a column then drops rows in silence (deltalake 1.6). Here only the partition is promised
to the reader; Parquet's own statistics do the rest.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.dataset as ds
from deltalake import DeltaTable
from deltalake.fs import DeltaStorageHandler
from pyarrow.fs import PyFileSystem

from steeldefect.tables import PARTITION


def dataset_of(delta: DeltaTable, columns: pa.Schema, options: dict[str, str]) -> ds.Dataset:
    """Make a dataset of the files that a table's present version names.

    Args:
        delta: the table, as opened.
        columns: its schema.
        options: with which the store is reached.
    """
    actions = pa.table(delta.get_add_actions(flatten=True))
    sizes = dict(zip(actions["path"].to_pylist(), actions["size_bytes"].to_pylist(), strict=True))
    handler = DeltaStorageHandler(delta.table_uri, options, sizes)
    filesystem = PyFileSystem(handler)
    layout = ds.ParquetFileFormat()
    dates = actions[f"partition.{PARTITION}"].to_pylist() if actions.num_rows else []
    fragments = [
        layout.make_fragment(
            path, filesystem=filesystem, partition_expression=ds.field(PARTITION) == date
        )
        for path, date in zip(sizes, dates, strict=True)
    ]
    return ds.FileSystemDataset(fragments, columns, layout, filesystem)
