"""What is to be scored: the pictures under the input, less those this bundle has scored.

All of it is Arrow tables (columns key, etag, size), so that a million keys cost megabytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from steeldefect.commit import Tables
from steeldefect.errors import PictureSizeError
from steeldefect.listing import LISTING
from steeldefect.settings import ScoreSettings
from steeldefect.tables import TableName


@dataclass(frozen=True)
class Plan:
    """The pictures of a run.

    Attributes:
        todo: table with the columns key, etag, size, in the order of the listing.
        listed: pictures found under the input.
        given_up: of these, pictures that are in quarantine for good.
    """

    todo: pa.Table
    listed: int
    given_up: int = 0

    @property
    def skipped(self) -> int:
        """Pictures that need no scoring, because this bundle has dealt with them."""
        return self.listed - int(self.todo.num_rows)

    def waves(self, pictures: int) -> list[pa.Table]:
        """Cut the plan into tables of at most `pictures` rows; they share its memory.

        All are of about one size: a small one at the end could not fill the cores that the one
        before it leaves.
        """
        rows = self.todo.num_rows
        count = -(-rows // pictures)
        cuts = [rows * number // count for number in range(count)] + [rows]
        return [self.todo.slice(one, other - one) for one, other in pairwise(cuts)]


def plan_run(
    listing: pa.Table, tables: Tables, source: str, bundle: str, settings: ScoreSettings
) -> Plan:
    """Drop what this bundle has dealt with, by key and etag.

    Of a picture that was scored in several versions, the newest row counts: one that was put back
    to an earlier version is scored again.

    Args:
        listing: of `steeldefect.listing` or `steeldefect.inventory`.
        tables: the output.
        source: the input's address.
        bundle: digest.
        settings: say whether pictures are tried again whose failure was final; those of a size
            that the bundle does not admit are, where any size is wanted now.
    """
    same = {"source": source, "bundle": bundle}
    scored = tables.read(TableName.IMAGES, ["key", "etag", "scored_at"], same)
    unscored = todo = _without(listing, _newest(scored))
    if not settings.retry_quarantined:
        failed = tables.read(TableName.QUARANTINE, ["key", "etag", "transient", "error"], same)
        final = failed.filter(pc.invert(failed["transient"]))
        if settings.any_picture_size:
            final = final.filter(pc.not_equal(final["error"], PictureSizeError.__name__))
        todo = _without(todo, final)
    return Plan(todo, listing.num_rows, unscored.num_rows - todo.num_rows)


def _newest(scored: pa.Table) -> pa.Table:
    """Keep the newest row of each key; columns key and etag."""
    newest = scored.sort_by("scored_at").group_by("key", use_threads=False)
    columns = newest.aggregate([("etag", "last")])
    return columns.rename_columns({"etag_last": "etag"})


def _without(pictures: pa.Table, dealt_with: pa.Table) -> pa.Table:
    if dealt_with.num_rows == 0:
        return pictures
    # a join does not keep the order: number the rows, and sort what is left
    numbered = pictures.append_column("row", pa.array(np.arange(pictures.num_rows)))
    left = numbered.join(
        dealt_with.select(["key", "etag"]), keys=["key", "etag"], join_type="left anti"
    )
    return left.sort_by("row").select(LISTING.names)
