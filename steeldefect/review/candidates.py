"""Rank the pictures of a bundle for review: the most doubtful, and those drawn at random.

DuckDB ranks; only the pictures at the top reach Python.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import duckdb

from steeldefect.review.reasons import Doubt, Kind

_KINDS = [kind.value for kind in Kind]


@dataclass(frozen=True)
class Candidate:
    """A scored picture that may be shown to a person.

    Attributes:
        source, key, image_id, run_id, coil, position_mm: columns of the picture's newest row of
            `images`.
        doubts: reasons to doubt what was found, the strongest first.
        draw: place of the picture in the random order, from 1; None if it was not drawn.
    """

    source: str
    key: str
    image_id: str
    run_id: str
    coil: str | None
    position_mm: float | None
    doubts: tuple[Doubt, ...]
    draw: int | None = None

    @property
    def picture(self) -> tuple[str, str]:
        """Source and key."""
        return self.source, self.key


def most_doubtful(
    connection: duckdb.DuckDBPyConnection, bundle: str, limit: int
) -> list[Candidate]:
    """Return the most doubtful pictures that nobody has reviewed; the kinds of doubts take turns.

    Each picture stands among those of its strongest kind, by score. Equal scores are ordered by
    source and key.

    Args:
        connection: database with the tables `doubts` and `reviews`.
        bundle: digest of the bundle.
        limit: largest number of pictures.
    """
    return _read(connection, _DOUBTFUL, {"bundle": bundle, "kinds": _KINDS, "limit": limit})


def drawn_at_random(
    connection: duckdb.DuckDBPyConnection, bundle: str, seed: int, limit: int
) -> list[Candidate]:
    """Return the first pictures, in a random order, that nobody has reviewed.

    All pictures of the bundle have a place in this order, by a hash of seed, source and key. So it
    depends neither on what was found, nor on what has been reviewed.

    Args:
        connection: database with the tables `doubts` and `reviews`.
        bundle: digest of the bundle.
        seed: each seed gives another order.
        limit: largest number of pictures.
    """
    asked = {"bundle": bundle, "kinds": _KINDS, "seed": str(seed), "limit": limit}
    return _read(connection, _DRAWN, asked)


def _read(
    connection: duckdb.DuckDBPyConnection, statement: str, parameters: dict[str, Any]
) -> list[Candidate]:
    rows = connection.sql(statement + _WHOLE, params=parameters).to_arrow_table().to_pylist()
    return [
        Candidate(**row | {"doubts": tuple(_doubt(one) for one in row["doubts"] or ())})
        for row in rows
    ]


def _doubt(row: dict[str, Any]) -> Doubt:
    known = {name: row[name] for name in _ATTRIBUTES if row[name] is not None}
    return Doubt(**known | {"kind": Kind(row["kind"])})


_ATTRIBUTES = (
    *("score", "value", "bound", "class_name", "regions", "added", "complete", "other", "largest"),
)

# each statement chooses pictures, then reads the rest of their columns, and all their doubts
_REVIEWED = """
WITH reviewed AS (
    SELECT DISTINCT source, key
    FROM reviews JOIN newest_images USING (source, key, etag, bundle)
    WHERE bundle = $bundle
)
"""
_DOUBTFUL = f"""{_REVIEWED}, strongest AS (
    SELECT source, key, score, list_position($kinds, kind) AS kind_place
    FROM doubts ANTI JOIN reviewed USING (source, key)
    QUALIFY row_number() OVER (PARTITION BY source, key ORDER BY score DESC, kind_place) = 1
), ranked AS (
    SELECT source, key, kind_place, NULL::BIGINT AS draw, row_number() OVER (
        PARTITION BY kind_place ORDER BY score DESC, source, key
    ) AS turn
    FROM strongest
), chosen AS (
    SELECT *, row_number() OVER (ORDER BY turn, kind_place) AS place
    FROM ranked ORDER BY place LIMIT $limit
)
"""  # noqa: S608
_DRAWN = f"""{_REVIEWED}, numbered AS (
    SELECT source, key, row_number() OVER (
        ORDER BY md5_number_lower(concat_ws('/', $seed, length(source), source, key)), source, key
    ) AS draw
    FROM newest_images WHERE bundle = $bundle
), chosen AS (
    SELECT source, key, draw, draw AS place
    FROM numbered ANTI JOIN reviewed USING (source, key)
    ORDER BY draw LIMIT $limit
)
"""  # noqa: S608
_WHOLE = """, known AS (
    SELECT source, key, list(doubts ORDER BY score DESC, list_position($kinds, kind)) AS doubts
    FROM doubts SEMI JOIN chosen USING (source, key)
    GROUP BY source, key
)
SELECT source, key, image_id, run_id, coil, position_mm, doubts, draw
FROM newest_images JOIN chosen USING (source, key) LEFT JOIN known USING (source, key)
WHERE bundle = $bundle
ORDER BY place
"""
