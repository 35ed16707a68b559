"""The plan of a run: the pictures under the input, less those that this bundle has dealt with.

All of it is Arrow tables (columns key, etag, size, tries), so that a million keys cost megabytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import pyarrow as pa
import pyarrow.compute as pc

from steeldefect.plan.skipped import (
    earlier_failures,
    newest_versions,
    with_tries,
    without,
)
from steeldefect.settings import ScoreSettings
from steeldefect.tables.delta import Tables
from steeldefect.tables.schema import TableName


@dataclass(frozen=True)
class Plan:
    """The pictures of a run.

    Attributes:
        todo: table with the columns of `PLANNED`, in the order of the listing.
        listed: pictures found under the input.
        given_up: of these, pictures that are in quarantine for good, or have failed too often.
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

        Pictures that have failed before come last, in waves of their own, so that they cannot
        hold up new ones. All waves of a kind are of about one size: a small one at the end could
        not fill the cores that the one before it leaves.
        """
        failed = pc.greater(self.todo["tries"], 0)
        kinds = [self.todo.filter(pc.invert(failed)), self.todo.filter(failed)]
        return [wave for kind in kinds for wave in _cut(kind, pictures)]


def new_pictures(planned: pa.Table) -> int:
    """Count the pictures of a plan or a wave that have not failed before."""
    return int(pc.sum(pc.equal(planned["tries"], 0)).as_py() or 0)


def _cut(planned: pa.Table, pictures: int) -> list[pa.Table]:
    rows = planned.num_rows
    count = -(-rows // pictures)
    cuts = [rows * number // count for number in range(count)] + [rows]
    return [planned.slice(one, other - one) for one, other in pairwise(cuts)]


def plan_run(
    listing: pa.Table, tables: Tables, source: str, bundle: str, settings: ScoreSettings
) -> Plan:
    """Drop what this bundle has dealt with, by key and etag.

    Of a picture that was scored in several versions, the newest row counts: one that was put back
    to an earlier version is scored again. A picture that failed by others' fault is tried again in
    `max_tries` runs in all.

    Args:
        listing: of `steeldefect.plan.listing` or `steeldefect.plan.inventory`.
        tables: the output.
        source: the input's address.
        bundle: digest.
        settings: say whether pictures are tried again whose failure was final; those of a size
            that the bundle does not admit are, where any size is wanted now.
    """
    same = {"source": source, "bundle": bundle}
    scored = tables.read(TableName.IMAGES, ["key", "etag", "scored_at", "run_number"], same)
    unscored = without(listing, newest_versions(scored))
    failures = earlier_failures(tables, same, settings)
    given_up = failures.filter(failures["over"])
    todo = unscored if settings.retry_quarantined else without(unscored, given_up, keep_known=True)
    return Plan(with_tries(todo, failures), listing.num_rows, unscored.num_rows - todo.num_rows)
