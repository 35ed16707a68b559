"""Plan a part of a listing: the pictures that a bundle has not dealt with.

A part is an Arrow table. `steeldefect.plan.run_plan` plans all parts of a listing.
"""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from steeldefect.plan.scored_before import ScoredBefore, scored_before
from steeldefect.plan.skipped import earlier_failures, with_tries, without
from steeldefect.settings import ScoreSettings
from steeldefect.tables.delta import Tables


@dataclass(frozen=True)
class Plan:
    """The pictures of a part of a listing that a run will score.

    Attributes:
        todo: table of these pictures with the columns of `PLANNED`, in the order of the listing.
        listed: number of pictures of the part.
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


def new_pictures(planned: pa.Table) -> int:
    """Count the pictures of a plan or a wave that have not failed before."""
    return int(pc.sum(pc.equal(planned["tries"], 0)).as_py() or 0)


@dataclass(frozen=True)
class DealtWith:
    """What a bundle has scored or given up, when the plan was begun.

    Attributes:
        scored: versions of pictures that were scored.
        failures: earlier failures, from `skipped.earlier_failures`.
        retry_quarantined: whether pictures that were given up are tried again.
    """

    scored: ScoredBefore
    failures: pa.Table
    retry_quarantined: bool

    def plan(self, listing: pa.Table) -> Plan:
        """Drop the pictures that the bundle has scored or given up, by key and etag.

        Args:
            listing: pictures, columns of `LISTING`.
        """
        unscored = listing.filter(pc.invert(pa.array(self.scored.among(listing))))
        todo = unscored
        if not self.retry_quarantined:
            todo = without(unscored, self.failures.filter(self.failures["over"]))
        planned = with_tries(todo, self.failures)
        return Plan(planned, listing.num_rows, unscored.num_rows - todo.num_rows)


def dealt_with(tables: Tables, source: str, bundle: str, settings: ScoreSettings) -> DealtWith:
    """Read what a bundle has dealt with.

    If several versions of a picture were scored, only the newest row counts. So a picture that was
    put back to an earlier version is scored again. A picture whose failures were transient is tried
    in at most `max_tries` runs.

    Args:
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
    failures = earlier_failures(tables, same, settings)
    return DealtWith(scored_before(tables, same), failures, settings.retry_quarantined)
