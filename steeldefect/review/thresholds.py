"""Read the thresholds of a bundle from the tables."""

from __future__ import annotations

import duckdb

from steeldefect.publish.thresholds import Thresholds

_STATED = "SELECT max_by(thresholds, scored_at) FROM runs WHERE job = 'score' AND bundle = ?"


def stated_thresholds(connection: duckdb.DuckDBPyConnection, bundle: str) -> Thresholds | None:
    """Return the thresholds of a bundle; None if only versions without them have scored with it.

    Args:
        connection: database of `steeldefect.analysis.sql.opened_database`.
        bundle: digest of the bundle.
    """
    ((stated,),) = connection.execute(_STATED, [bundle]).fetchall()
    return None if stated is None else Thresholds.model_validate_json(stated)
