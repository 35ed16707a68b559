"""Read the truth from the table `reviews`: what people said about pictures that were scored."""

from __future__ import annotations

import duckdb
import pandas as pd

from steeldefect.errors import DataError
from steeldefect.evaluation.true_masks import store_masks
from steeldefect.evaluation.truth import Truth
from steeldefect.stores import Store
from steeldefect.tables.schema import TableName

REVIEWS = TableName.REVIEWS.value
"""What `--labels` says for this truth."""

_BATCH = 5_000  # rows; a mask may have some thousand characters


def read_reviews(connection: duckdb.DuckDBPyConnection, store: Store, bundle: str) -> Truth:
    """Read the newest review of each picture that a bundle has scored.

    A review of another version of the picture's bytes does not count.

    Args:
        connection: database of `steeldefect.analysis.sql.open_database`.
        store: the output.
        bundle: digest of the bundle.

    Raises:
        DataError: no picture that the bundle has scored was reviewed.
    """
    source = f"{store.uri}/{REVIEWS}"
    reader = connection.sql(_MASKS, params=[bundle]).to_arrow_reader(_BATCH)
    frames, first = [], 1
    for batch in reader:
        frame: pd.DataFrame = batch.to_pandas()
        frames.append(frame.assign(line=range(first, first + len(frame))))
        first += len(frame)
    if not frames:
        raise DataError(
            f"{source}: no picture that bundle {bundle[:12]} has scored was reviewed; take reviews "
            "in with `steeldefect review import`"
        )
    masks = store_masks(frames, source)
    defective = masks.rows.groupby("ImageId", sort=False)["drawn"].any()
    labels = {str(name): bool(value) for name, value in defective.items()}
    return Truth(masks, labels, source, dict.fromkeys(labels, 0), source)


_MASKS = """
SELECT review.source || '/' || review.key AS "ImageId", review.class_id AS "ClassId",
    review.run_lengths AS "EncodedPixels"
FROM newest_reviews AS review
JOIN newest_images AS image USING (source, key, etag)
WHERE image.bundle = ?
ORDER BY review.source, review.key, review.class_id
"""
