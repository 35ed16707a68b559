"""The plan of a run, made in a thread while the pictures are still being listed.

So the first pictures are scored before the last ones are listed. Planned pictures wait in temporary
files (`plan.spool`). Pictures that have failed before come last, in waves of their own, so that
they cannot delay new pictures.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.compute as pc

from steeldefect.plan.cut import Wave, cut, wave_count
from steeldefect.plan.listing import LISTING
from steeldefect.plan.plan import DealtWith
from steeldefect.plan.shadow import SHADOW_TRIES, with_shadow
from steeldefect.plan.skipped import PLANNED
from steeldefect.plan.spool import Spool
from steeldefect.stopwatch import Stopwatch

PATIENCE = 5.0
"""Seconds in which a plan may end before the run begins, so that its numbers are final."""

_LOOK_SECONDS = 0.2
_END_SECONDS = 10.0  # for the last request of a listing that is given up
_WITH_SHADOW = PLANNED.append(pa.field(SHADOW_TRIES, pa.int32()))


@dataclass(frozen=True)
class Counts:
    """The numbers of a plan so far.

    Attributes:
        listed: number of pictures found under the input.
        todo: number of these that are scored.
        given_up: number of these that are given up; see `plan.Plan`.
        again: number of pictures among `todo` that have failed before.
        beside: number of pictures among `todo` that the shadow scores as well.
        whole: whether these numbers are final.
    """

    listed: int = 0
    todo: int = 0
    given_up: int = 0
    again: int = 0
    beside: int = 0
    whole: bool = False

    @property
    def skipped(self) -> int:
        """Number of pictures that are not scored: already scored by this bundle, or given up."""
        return self.listed - self.todo

    def waves(self, pictures: int) -> int:
        """Compute the number of waves of at most `pictures` pictures."""
        return wave_count(self.todo - self.again, pictures) + wave_count(self.again, pictures)


class RunPlan:
    """The pictures that a run scores; see the module."""

    def __init__(self, pictures: Iterator[pa.Table]) -> None:
        """Plan nothing yet.

        Args:
            pictures: pictures under the input; columns of `LISTING`.

        Raises:
            StoreError: the disk for temporary files refused.
        """
        self._pictures = pictures
        self._counts = Counts()
        self._changed = threading.Condition()
        self._given_up = threading.Event()
        self._error: Exception | None = None
        self._thread: threading.Thread | None = None
        self._new, self._again = Spool(_WITH_SHADOW), Spool(_WITH_SHADOW)
        self._has_shadow = False

    @property
    def counts(self) -> Counts:
        """The numbers so far."""
        return self._counts

    def start(self, leading: DealtWith, shadow: DealtWith | None, stopwatch: Stopwatch) -> None:
        """Begin to plan, in a thread.

        Args:
            leading: what the bundle that leads has dealt with.
            shadow: what the shadow has dealt with; None without a shadow.
            stopwatch: gets the seconds of the stages `list` and `plan`.
        """
        self._has_shadow = shadow is not None

        def plan() -> None:
            try:
                for some in _measured(self._pictures, stopwatch):
                    if self._given_up.is_set():
                        return
                    with stopwatch.measure("plan"):
                        self._add(some, leading, shadow)
            except Exception as error:  # the thread that reads the plan raises it
                self._end(error)
            else:
                self._end(None)

        self._thread = threading.Thread(target=plan, name="plan", daemon=True)
        self._thread.start()

    def wait(self, patience: float) -> Counts:
        """Wait until there is a picture to score, and for some seconds until the plan is whole.

        Args:
            patience: the seconds; see `PATIENCE`.

        Returns:
            The numbers so far.

        Raises:
            StoreError, DataError: the pictures cannot be listed.
        """
        deadline = time.monotonic() + patience
        with self._changed:
            while not self._counts.whole and self._error is None:
                left = deadline - time.monotonic()
                if self._counts.todo and left <= 0:
                    break
                self._changed.wait(max(left, _LOOK_SECONDS))
        if self._error is not None:
            raise self._error
        return self._counts

    def waves(
        self, pictures: Callable[[], int], given_up: Callable[[], bool] = lambda: False
    ) -> Iterator[Wave]:
        """Yield the waves in their order; wait for pictures that are still to be listed.

        Args:
            pictures: returns the size of the next wave.
            given_up: returns whether to stop waiting.

        Raises:
            StoreError, DataError: the pictures cannot be listed; the waves before are complete.
        """
        yield from cut(self._tables(self._new, given_up), pictures, lambda: not self._again.rows)
        yield from cut(self._tables(self._again, given_up), pictures, lambda: True)

    def drop_shadow(self) -> None:
        """Leave the shadow out of the waves: it has nothing to score."""
        self._has_shadow = False

    def close(self) -> None:
        """Stop planning."""
        self._given_up.set()
        if self._thread is not None:
            self._thread.join(_END_SECONDS)

    def _tables(self, spool: Spool, given_up: Callable[[], bool]) -> Iterator[pa.Table]:
        for table in spool.tables(given_up):
            yield table if self._has_shadow else table.drop_columns([SHADOW_TRIES])

    def _add(self, listed: pa.Table, leading: DealtWith, shadow: DealtWith | None) -> None:
        plan = leading.plan(listed)
        todo, beside = plan.todo, 0
        if shadow is None:
            todo = todo.append_column(SHADOW_TRIES, pa.nulls(todo.num_rows, pa.int32()))
        else:
            also = shadow.plan(todo.select(LISTING.names)).todo
            todo, beside = with_shadow(todo, also), also.num_rows
        failed = pc.greater(todo["tries"], 0)
        again = todo.filter(failed)
        self._new.append(todo.filter(pc.invert(failed)))
        self._again.append(again)
        before = self._counts
        counts = Counts(
            listed=before.listed + plan.listed,
            todo=before.todo + todo.num_rows,
            given_up=before.given_up + plan.given_up,
            again=before.again + again.num_rows,
            beside=before.beside + beside,
        )
        self._set(counts)

    def _end(self, error: Exception | None) -> None:
        """State that the plan is whole, or what has ended it."""
        self._new.end(error)
        self._again.end(error)
        self._error = error
        self._set(replace(self._counts, whole=error is None))

    def _set(self, counts: Counts) -> None:
        with self._changed:
            self._counts = counts
            self._changed.notify_all()


def _measured(pictures: Iterator[pa.Table], stopwatch: Stopwatch) -> Iterator[pa.Table]:
    """Yield pictures, and measure how long each part takes to come."""
    while True:
        with stopwatch.measure("list"):
            some = next(pictures, None)
        if some is None:
            return
        yield some
