"""Say which planned pictures a shadow scores too: those that the shadow has not dealt with."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

SHADOW_TRIES = "shadow_tries"
"""Column of a plan with a shadow: how often this version of the picture has failed with the shadow;
null if the shadow does not score it."""


def with_shadow(todo: pa.Table, shadow: pa.Table) -> pa.Table:
    """Add the column `SHADOW_TRIES` to planned pictures.

    Args:
        todo: pictures planned for the bundle that leads; columns of `plan.skipped.PLANNED`.
        shadow: those of them that are planned for the shadow, with the same columns.
    """
    place = pc.index_in(todo["key"], shadow["key"].combine_chunks())
    return todo.append_column(SHADOW_TRIES, shadow["tries"].take(place))


def shadow_part(planned: pa.Table) -> pa.Table | None:
    """Return the pictures of a plan or a wave that the shadow scores; None without a shadow.

    Returns:
        Columns of `plan.skipped.PLANNED`; `tries` counts the failures with the shadow.
    """
    if SHADOW_TRIES not in planned.column_names:
        return None
    some = planned.filter(pc.is_valid(planned[SHADOW_TRIES]))
    tries = some.column_names.index("tries")
    return some.set_column(tries, "tries", some[SHADOW_TRIES]).drop_columns([SHADOW_TRIES])
