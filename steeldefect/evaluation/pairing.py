"""Join true and found masks, pair by pair, without all of them in memory."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pandas as pd
import pyarrow as pa

from steeldefect.analysis.sql import limit_memory
from steeldefect.evaluation.truth import ScoredPictures, Truth

PAIR_SCHEMA = pa.schema(
    {
        "picture": pa.int64(),
        "class_id": pa.int32(),
        "truth": pa.string(),
        "found": pa.string(),
        "height": pa.int32(),
        "width": pa.int32(),
    }
)

_BATCH = 2_048  # pairs read at once: a mask may have some thousand characters
_TABLE_BYTES = 12 * 2**20  # of the pairs that are counted at a time


class DrawnPairs:
    """The pairs of picture and class that have a true or a found mask.

    Pictures that are labelled defective and have no true masks are left out.

    Attributes:
        true_rows: the true masks of the pairs: columns row (in the file of the true masks),
            class_id, line, picture.
        count: number of pairs.
    """

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, scored: ScoredPictures, truth: Truth
    ) -> None:
        """Prepare the join; no masks are read yet.

        Args:
            connection: database with the table `predictions` (source, key, run_id, class_id,
                run_lengths). What it cannot hold in memory, it writes beside the true masks.
            scored: the pictures that are compared.
            truth: the truth.
        """
        self._connection = connection
        self._file = str(truth.masks.file)
        limit_memory(connection, truth.masks.folder.name)
        images = scored.images[scored.images["outlined"]]
        self.true_rows = _true_rows(images, truth)
        names = ["source", "key", "run_id", "height", "width"]
        compared = pa.Table.from_pandas(images[names], preserve_index=False)
        numbers = pa.array(images.index.to_numpy())
        connection.register("compared", compared.append_column("picture", numbers))
        connection.register("true_rows", self.true_rows)
        ((self.count,),) = connection.execute(_COUNT).fetchall()

    def tables(self) -> Iterator[pa.Table]:
        """Yield the pairs in any order, some MB at a time.

        Yields:
            Columns of `PAIR_SCHEMA`: picture (row of `scored.images`), class_id, truth and found
            (run lengths; empty if there is no mask), height and width (pixels).
        """
        relation = self._connection.sql(_PAIRS, params=[self._file])
        waiting: list[pa.RecordBatch] = []
        for batch in relation.to_arrow_reader(_BATCH):
            waiting.append(batch)
            if sum(one.nbytes for one in waiting) > _TABLE_BYTES:
                yield pa.Table.from_batches(waiting).cast(PAIR_SCHEMA)
                waiting = []
        if waiting:
            yield pa.Table.from_batches(waiting).cast(PAIR_SCHEMA)


def _true_rows(images: pd.DataFrame, truth: Truth) -> pd.DataFrame:
    """Return which true mask belongs to which picture.

    Args:
        images: rows of `ScoredPictures.images`.
        truth: the truth.

    Returns:
        Columns row, class_id, line and picture, of all true masks that are drawn.
    """
    rows = truth.masks.rows
    drawn = rows[rows["drawn"]]
    named = pd.DataFrame({"name": images["name"], "picture": images.index})
    joined = drawn.assign(row=drawn.index).merge(named, left_on="ImageId", right_on="name")
    columns = {"row": "row", "ClassId": "class_id", "line": "line", "picture": "picture"}
    return pd.DataFrame({new: joined[old] for old, new in columns.items()})


_COUNT = """
SELECT count(*) FROM (
    SELECT picture, class_id FROM true_rows
    UNION
    SELECT picture, class_id FROM predictions JOIN compared USING (source, key, run_id)
)
"""
_PAIRS = """
WITH truths AS (
    SELECT picture, class_id, text FROM true_rows JOIN read_parquet($1) USING (row)
), found AS (
    SELECT picture, class_id, run_lengths
    FROM predictions JOIN compared USING (source, key, run_id)
)
SELECT picture, class_id, coalesce(text, '') AS truth, coalesce(run_lengths, '') AS found,
    height, width
FROM truths FULL JOIN found USING (picture, class_id) JOIN compared USING (picture)
"""
