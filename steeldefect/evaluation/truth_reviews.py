"""Read the truth from the table `reviews`: what people said about pictures that were scored."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pandas as pd

from steeldefect.analysis.record_batches import record_batches
from steeldefect.errors import DataError
from steeldefect.evaluation.true_masks import store_masks
from steeldefect.evaluation.truth import Truth
from steeldefect.stores import Store
from steeldefect.tables.schema import TableName

REVIEWS = TableName.REVIEWS.value
"""What `--labels` says for this truth."""

_BATCH = 1_024  # rows; a mask may have some ten thousand characters


def read_reviews(connection: duckdb.DuckDBPyConnection, store: Store, bundle: str) -> Truth:
    """Read the newest review of each picture that a bundle has scored.

    A review of another version of the picture's bytes does not count. Classes are matched by their
    names: another bundle may number them in another way. A picture counts only if people were asked
    about all classes of the bundle.

    Args:
        connection: database of `steeldefect.analysis.sql.open_database`.
        store: the output.
        bundle: digest of the bundle.

    Raises:
        DataError: no picture that the bundle has scored was reviewed for all its classes.
    """
    source = f"{store.uri}/{REVIEWS}"
    connection.execute(_NUMBERED, [bundle])
    masks = store_masks(_frames(connection, bundle), source)
    if masks.rows.empty:
        raise DataError(
            f"{source}: no picture that bundle {bundle[:12]} has scored was reviewed for all its "
            "classes; take reviews in with `steeldefect review import`"
        )
    defective = masks.rows.groupby("ImageId", sort=False)["drawn"].any()
    labels = {str(name): bool(value) for name, value in defective.items()}
    return Truth(masks, labels, source, dict.fromkeys(labels, 0), source)


def _frames(connection: duckdb.DuckDBPyConnection, bundle: str) -> Iterator[pd.DataFrame]:
    """Yield the reviewed masks, some at a time, with the columns of `mask_files.scan_masks`."""
    first = 1
    for batch in record_batches(connection.sql(_MASKS, params=[bundle]), _BATCH):
        frame: pd.DataFrame = batch.to_pandas()
        yield frame.assign(line=range(first, first + len(frame)))
        first += len(frame)


# classes of the bundle keep their numbers; classes that only reviews have get numbers above them
_NUMBERED = """
CREATE OR REPLACE TEMP TABLE numbered AS
WITH stated AS (
    SELECT max_by(classes, coalesce(run_number, 0))::JSON AS names
    FROM runs WHERE job IN ('score', 'rethreshold') AND bundle = $1
), own AS (
    SELECT unnest(json_keys(names))::INTEGER AS class_id,
        json_extract_string(names, unnest(json_keys(names))) AS class_name
    FROM stated
), others AS (
    SELECT DISTINCT class_name FROM reviews ANTI JOIN own USING (class_name)
)
SELECT class_id, class_name, true AS own FROM own
UNION ALL
SELECT (SELECT coalesce(max(class_id), 0) FROM own) + row_number() OVER (ORDER BY class_name),
    class_name, false
FROM others
"""
# masks are read last, so that no step before holds them in memory
_MASKS = """
WITH newest AS (
    SELECT source, key, etag, class_name, review
    FROM reviews JOIN newest_images USING (source, key, etag) JOIN numbered USING (class_name)
    WHERE newest_images.bundle = $1
    QUALIFY row_number() OVER (
        PARTITION BY source, key, class_name
        ORDER BY reviews.run_number DESC, reviewed_at DESC, review
    ) = 1
), whole AS (
    SELECT source, key FROM newest JOIN numbered USING (class_name)
    GROUP BY source, key
    HAVING count(*) FILTER (WHERE own) = (SELECT count(*) FROM numbered WHERE own)
), chosen AS (
    SELECT source, key, etag, class_name, review, numbered.class_id, own
    FROM newest JOIN whole USING (source, key) JOIN numbered USING (class_name)
)
SELECT reviews.source || '/' || reviews.key AS "ImageId", chosen.class_id AS "ClassId",
    run_lengths AS "EncodedPixels"
FROM reviews JOIN chosen USING (source, key, etag, class_name, review)
WHERE own OR run_lengths <> ''
"""
