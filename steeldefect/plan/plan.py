"""The plan of a run: the pictures under the input that this bundle has not dealt with.

A plan is one Arrow table (columns of `PLANNED`), so that a million keys cost megabytes.
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
    """The pictures that a run will score.

    Attributes:
        todo: table of these pictures with the columns of `PLANNED`, in the order of the listing.
        listed: number of pictures found under the input.
        given_up: number of pictures among `listed` that are given up: their failure was final,
            or they have failed in `max_tries` runs.
    """

    todo: pa.Table
    listed: int
    given_up: int = 0

    @property
    def skipped(self) -> int:
        """Number of pictures that are not scored: already scored by this bundle, or given up."""
        return self.listed - int(self.todo.num_rows)

    def waves(self, pictures: int) -> list[pa.Table]:
        """Return the plan cut into waves: tables of at most `pictures` rows that share its memory.

        Pictures that have failed before come last, in separate waves, so that they cannot delay
        new pictures. The waves of each kind have about the same size: a small last wave could not
        keep all cores busy.
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
    """Plan a run: drop the pictures that this bundle has scored or given up, by key and etag.

    If several versions of a picture were scored, only the newest row counts. So a picture that was
    put back to an earlier version is scored again. A picture whose failures were transient is tried
    in at most `max_tries` runs.

    Args:
        listing: pictures under the input, from `steeldefect.plan.listing` or
            `steeldefect.plan.inventory`.
        tables: tables of the output.
        source: address of the input.
        bundle: digest of the bundle.
        settings: settings of the run. With `retry_quarantined`, pictures that were given up are
            tried again. With `any_picture_size`, so are pictures that failed only because of
            their size.

    Raises:
        TableError, StoreUnavailableError: a table cannot be read.
    """
    same = {"source": source, "bundle": bundle}
    scored = tables.read(TableName.IMAGES, ["key", "etag", "scored_at", "run_number"], same)
    unscored = without(listing, newest_versions(scored))
    failures = earlier_failures(tables, same, settings)
    given_up = failures.filter(failures["over"])
    todo = unscored if settings.retry_quarantined else without(unscored, given_up, keep_known=True)
    return Plan(with_tries(todo, failures), listing.num_rows, unscored.num_rows - todo.num_rows)
