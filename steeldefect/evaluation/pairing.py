"""Join true and found masks, pair by pair, without all of them in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import duckdb
import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from steeldefect.analysis.record_batches import record_batches
from steeldefect.analysis.sql import limit_memory
from steeldefect.evaluation.mask_shelves import MaskShelves
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

Integers = npt.NDArray[np.int64]

_NOTHING = pa.array([""], pa.large_string())
_BATCH = 1_024  # masks read at once: a mask may have some ten thousand characters
_TABLE_BYTES = 12 * 2**20  # of the pairs that are counted at a time


class DrawnPairs:
    """The pairs of picture and class that have a true or a found mask.

    Pictures that are labelled defective and have no true masks are left out. Masks are sorted by
    picture on the disk, in the folder of the true masks: a join of all of them takes too much
    memory.

    Attributes:
        true_rows: the true masks of the pairs: columns row (in the file of the true masks),
            class_id, line, picture; ascending by row.
        count: number of pairs.
    """

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, scored: ScoredPictures, truth: Truth
    ) -> None:
        """Prepare the join; no masks are read yet.

        Args:
            connection: database with the table `predictions` (source, key, run_id, class_id,
                class_name, run_lengths).
            scored: the pictures that are compared.
            truth: the truth.
        """
        self._connection = connection
        self._truth = truth
        self._images = scored.images
        limit_memory(connection, truth.masks.folder.name)
        # the side that is written last is then held in memory: the pictures, not the masks
        connection.execute("SET disabled_optimizers = 'join_order,build_side_probe_side'")
        images = scored.images[scored.images["outlined"]]
        self.true_rows = _true_rows(images, truth)
        compared = pa.Table.from_pandas(images[["source", "key", "run_id"]], preserve_index=False)
        numbers = pa.array(images.index.to_numpy())
        connection.register("compared", compared.append_column("picture", numbers))
        connection.register("true_rows", self.true_rows)
        self._left_out = [scored.left_out]
        ((self.count,),) = connection.execute(_COUNT, self._left_out).fetchall()

    def tables(self) -> Iterator[pa.Table]:
        """Yield the pairs in any order, some MB at a time.

        Yields:
            Columns of `PAIR_SCHEMA`: picture (row of `scored.images`), class_id, truth and found
            (run lengths; empty if there is no mask), height and width (pixels).

        Raises:
            StoreError: the disk for temporary files is full.
        """
        with MaskShelves(self._truth.masks.folder.name, len(self._images)) as shelves:
            for pictures, class_ids, texts in self._true_masks():
                shelves.put(pictures, class_ids, texts, "truth")
            found = self._connection.sql(_FOUND, params=self._left_out)
            for batch in record_batches(found, _BATCH):
                pictures, class_ids = (
                    batch[name].to_numpy().astype(np.int64) for name in ("picture", "class_id")
                )
                shelves.put(pictures, class_ids, batch["run_lengths"], "found")
            yield from _joined(part for masks in shelves.take() for part in self._pairs(masks))

    def _true_masks(self) -> Iterator[tuple[Integers, Integers, pa.Array]]:
        """Yield picture, class and run lengths of the true masks, some at a time."""
        rows, pictures, class_ids = (
            self.true_rows[name].to_numpy(dtype=np.int64) for name in ("row", "picture", "class_id")
        )
        for batch in pq.ParquetFile(self._truth.masks.file).iter_batches(_BATCH):
            numbers = batch["row"].to_numpy()
            known = np.flatnonzero(np.isin(numbers, rows))
            places = np.searchsorted(rows, numbers[known])
            yield pictures[places], class_ids[places], batch["text"].take(pa.array(known))

    def _pairs(self, masks: pa.Table) -> Iterator[pa.Table]:
        """Put the true and found masks of some pictures side by side."""
        frame = masks.select(["picture", "class_id", "kind"]).to_pandas()
        frame["place"] = np.arange(len(frame))
        sides = {
            kind: frame.loc[frame["kind"] == kind, ["picture", "class_id", "place"]]
            for kind in ("truth", "found")
        }
        pairs = sides["truth"].merge(
            sides["found"], on=["picture", "class_id"], how="outer", suffixes=("_truth", "_found")
        )
        texts = pa.concat_arrays([masks["text"].combine_chunks(), _NOTHING])
        columns = {name: pa.array(pairs[name]) for name in ("picture", "class_id")}
        for kind in ("truth", "found"):
            places = pairs[f"place_{kind}"].fillna(len(frame)).to_numpy(np.int64)
            columns[kind] = texts.take(pa.array(places))
        images = self._images.iloc[pairs["picture"].to_numpy()]
        columns |= {name: pa.array(images[name].to_numpy()) for name in ("height", "width")}
        yield from _cut(pa.table(columns).select(PAIR_SCHEMA.names))


def _joined(parts: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Join small parts to tables of up to `_TABLE_BYTES`: each table costs one job of Spark."""
    waiting: list[pa.Table] = []
    held = 0
    for part in parts:
        size = int(_text_bytes(part).sum())
        if waiting and held + size > _TABLE_BYTES:
            yield pa.concat_tables(waiting).combine_chunks()
            waiting, held = [], 0
        waiting.append(part)
        held += size
    if waiting:
        yield pa.concat_tables(waiting).combine_chunks()


def _cut(pairs: pa.Table) -> Iterator[pa.Table]:
    """Cut a table into parts of about `_TABLE_BYTES` of run lengths."""
    parts = np.cumsum(_text_bytes(pairs)) // _TABLE_BYTES
    ends = [*np.flatnonzero(np.diff(parts)) + 1, pairs.num_rows]
    begin = 0
    for end in ends:
        yield pairs.slice(begin, end - begin).cast(PAIR_SCHEMA)
        begin = end


def _text_bytes(pairs: pa.Table) -> Integers:
    """Return the bytes of the run lengths of each pair, int64 (pairs,)."""
    lengths = pc.add(pc.binary_length(pairs["truth"]), pc.binary_length(pairs["found"]))
    return np.asarray(lengths.to_numpy(), np.int64)


def _true_rows(images: pd.DataFrame, truth: Truth) -> pd.DataFrame:
    """Return which true mask belongs to which picture.

    Args:
        images: rows of `ScoredPictures.images`.
        truth: the truth.

    Returns:
        Columns row, class_id, line and picture, of all true masks that are drawn, by row.
    """
    rows = truth.masks.rows
    drawn = rows[rows["drawn"]]
    named = pd.DataFrame({"name": images["mask_name"], "picture": images.index})
    named = named[named["name"] != ""]
    joined = drawn.assign(row=drawn.index).merge(named, left_on="ImageId", right_on="name")
    columns = {"row": "row", "ClassId": "class_id", "line": "line", "picture": "picture"}
    chosen = pd.DataFrame({new: joined[old] for old, new in columns.items()})
    return chosen.sort_values("row", ignore_index=True)


_COUNT = """
SELECT count(*) FROM (
    SELECT picture, class_id FROM true_rows
    UNION
    SELECT picture, class_id FROM predictions JOIN compared USING (source, key, run_id)
    WHERE class_name IS DISTINCT FROM ?
)
"""
_FOUND = """
SELECT picture, class_id, run_lengths FROM predictions JOIN compared USING (source, key, run_id)
WHERE class_name IS DISTINCT FROM ?
"""
