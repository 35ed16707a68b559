"""Count the earlier failures of pictures, and drop those that were given up, by key and etag.

All functions take and return Arrow tables. The pictures may be a part of a listing.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from steeldefect.errors import PictureSizeError
from steeldefect.plan.listing import LISTING
from steeldefect.settings import ScoreSettings
from steeldefect.tables.delta import Tables
from steeldefect.tables.schema import TableName

PLANNED = LISTING.append(pa.field("tries", pa.int32()))
"""Columns of a planned picture; `tries` is how often this version of it has failed before."""

_FAILURES = ["key", "etag", "tries", "over"]


def earlier_failures(tables: Tables, same: dict[str, str], settings: ScoreSettings) -> pa.Table:
    """Count the earlier failures of each version of each picture.

    Args:
        tables: tables of the output.
        same: source and bundle; only rows of `quarantine` with these values are counted.
        settings: settings of the run: `max_tries` and `any_picture_size`.

    Returns:
        Columns key, etag, tries (number of failures), over (true if the picture is given up).
    """
    failed = tables.read(TableName.QUARANTINE, ["key", "etag", "transient", "error"], same)
    final = pc.invert(failed["transient"])
    if settings.any_picture_size:
        final = pc.and_(final, pc.not_equal(failed["error"], PictureSizeError.__name__))
    counted = failed.append_column("final", final).group_by(["key", "etag"], use_threads=False)
    summed = counted.aggregate([("final", "any"), ("transient", "sum"), ([], "count_all")])
    over = pc.or_(
        summed["final_any"], pc.greater_equal(summed["transient_sum"], settings.max_tries)
    )
    tries = summed["count_all"].cast(pa.int32())
    return pa.table([summed["key"], summed["etag"], tries, over], _FAILURES)


def with_tries(todo: pa.Table, failures: pa.Table) -> pa.Table:
    """Add the column `tries` to pictures; keep their order. An empty etag equals any version.

    Args:
        todo: pictures, with the columns of `LISTING`.
        failures: earlier failures, from `earlier_failures`.

    Returns:
        The pictures, with the columns of `PLANNED`.
    """
    if not _any_key(todo, failures):
        return todo.append_column("tries", pa.array(np.zeros(todo.num_rows, np.int32)))
    numbered = todo.append_column("row", pa.array(np.arange(todo.num_rows)))
    unknown = pc.equal(numbered["etag"], "")
    known = failures.select(["key", "etag", "tries"])
    joined = [_joined(numbered.filter(pc.invert(unknown)), known, ["key", "etag"])]
    if pc.any(unknown).as_py():
        most = known.group_by("key", use_threads=False).aggregate([("tries", "max")])
        most = most.rename_columns({"tries_max": "tries"})
        joined.append(_joined(numbered.filter(unknown), most, ["key"]))
    ordered = pa.concat_tables(joined).sort_by("row")
    tries = pc.fill_null(ordered["tries"], pa.scalar(0, pa.int32()))
    others = ordered.drop_columns(["row", "tries"])
    return others.append_column("tries", tries).select(PLANNED.names)


def _joined(pictures: pa.Table, known: pa.Table, keys: list[str]) -> pa.Table:
    joined = pictures.join(known, keys=keys, join_type="left outer")
    return joined.select([*pictures.column_names, "tries"])


def without(pictures: pa.Table, given_up: pa.Table) -> pa.Table:
    """Drop the pictures that were given up, by key and etag; an empty etag equals any etag.

    A picture that has an etag is kept if its row in `given_up` has none, because the picture may
    have been replaced since.

    Args:
        pictures: pictures, with the columns key and etag, and others.
        given_up: pictures to drop, with the columns key and etag.
    """
    if not _any_key(pictures, given_up):
        return pictures
    # a join does not keep the order: number the rows, and sort the rows that are left
    left = pictures.append_column("row", pa.array(np.arange(pictures.num_rows)))
    left = _anti_join(left, given_up, ["key", "etag"])
    unknown = pc.equal(left["etag"], "")
    if pc.any(unknown).as_py():
        by_key = _anti_join(left.filter(unknown), given_up, ["key"])
        left = pa.concat_tables([left.filter(pc.invert(unknown)), by_key])
    return left.sort_by("row").drop_columns(["row"])


def _any_key(pictures: pa.Table, known: pa.Table) -> bool:
    """Return whether a key of the pictures is in another table; joins take longer."""
    return bool(pc.any(pc.is_in(pictures["key"], known["key"].combine_chunks())).as_py())


def _anti_join(pictures: pa.Table, given_up: pa.Table, keys: list[str]) -> pa.Table:
    if given_up.num_rows == 0 or pictures.num_rows == 0:
        return pictures
    left = pictures.join(given_up.select(keys), keys=keys, join_type="left anti")
    return left.select(pictures.column_names)
