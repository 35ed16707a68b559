"""Score waves as Spark jobs, two at a time: the next wave uses the cores that a wave leaves idle.

Spark starts the tasks of jobs in the order in which the jobs arrive. So a wave's tasks start when
the wave before it has no more tasks to start. Scored waves are returned in their order. While the
caller audits and publishes a wave, two others are in flight.

The driver watches the failures of waves in flight. It stops a wave in which too many pictures have
failed before the wave's end.
"""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from itertools import islice

import pyarrow as pa
from py4j.protocol import Py4JError
from pyspark import Accumulator
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from steeldefect.errors import WaveError
from steeldefect.plan.plan import new_pictures
from steeldefect.plan.shadow import shadow_part
from steeldefect.scoring.failure_share import check_failures
from steeldefect.scoring.isolation import cut_table, isolate, raise_reported
from steeldefect.scoring.key_shares import shared
from steeldefect.scoring.task import REPORT, FailuresParam, WaveTask
from steeldefect.scoring.task_report import Failures, TaskReport, report_from_json
from steeldefect.scoring.task_sizes import least_pictures, pictures_for, task_sizes
from steeldefect.settings import ScoreSettings
from steeldefect.spark.session import explain_failure, tasks_at_once

_IN_FLIGHT = 2
_LOOK_SECONDS = 0.5


@dataclass(frozen=True)
class ScoredWave:
    """One wave whose tasks have ended; nothing of it is visible to readers yet.

    Attributes:
        number: number of the wave within the run, from 1.
        keys: planned pictures; columns of `plan.skipped.PLANNED`.
        reports: reports of the wave's tasks.
    """

    number: int
    keys: pa.Table
    reports: list[TaskReport]

    @property
    def new(self) -> int:
        """Number of the wave's pictures that had not failed in an earlier run."""
        return new_pictures(self.keys)

    @property
    def failures(self) -> Failures:
        """Failures of all its tasks."""
        return sum((report.failures for report in self.reports), Failures())

    @property
    def shadow(self) -> ScoredWave | None:
        """The same wave as the shadow scored it; None without a shadow."""
        keys = shadow_part(self.keys)
        if keys is None:
            return None
        reports = [report.shadow for report in self.reports if report.shadow is not None]
        return ScoredWave(self.number, keys, reports)


TaskOf = Callable[[int, Accumulator[Failures]], WaveTask]


@dataclass(frozen=True)
class _Flight:
    """A wave in flight; `failures` grows while its tasks end."""

    number: int
    keys: pa.Table
    last: bool
    failures: Accumulator[Failures]


class Waves:
    """The waves of a run, scored one after another; see `scored`."""

    def __init__(self, session: SparkSession, settings: ScoreSettings, task_of: TaskOf) -> None:
        """Set what all waves share.

        Args:
            session: Spark's session.
            settings: settings of the run.
            task_of: returns a wave's task, given the wave's number and its failures accumulator.
        """
        self._session = session
        self._settings = settings
        self._task_of = task_of
        self._pictures = 0
        self._seconds = 0.0
        self._given_up = threading.Event()

    def scored(self, waves: Sequence[pa.Table]) -> Generator[ScoredWave, None, None]:
        """Score waves, and yield them in their order.

        If the caller stops before the end, the waves in flight are cancelled.

        Raises:
            WaveError: Spark gave up on a wave. If an error of this project is the cause, that error
                is raised instead.
            FailureShareError, SourceDownError: too many pictures of a wave have failed.
        """
        running: deque[tuple[_Flight, Future[ScoredWave]]] = deque()
        to_come = iter(enumerate(waves, start=1))
        with ThreadPoolExecutor(_IN_FLIGHT, "wave") as pool:

            def submit(count: int) -> None:
                for number, keys in islice(to_come, count):
                    failures = self._session.sparkContext.accumulator(Failures(), FailuresParam())
                    flight = _Flight(number, keys, number == len(waves), failures)
                    running.append((flight, pool.submit(self._score, flight)))

            try:
                submit(_IN_FLIGHT)
                while running:
                    wave = self._next(running)
                    submit(1)  # before the caller publishes, so that no core is idle meanwhile
                    yield wave
            finally:
                if running:
                    self._give_up([future for _, future in running])

    def _next(self, running: deque[tuple[_Flight, Future[ScoredWave]]]) -> ScoredWave:
        """Wait for the oldest wave, check all waves meanwhile, and measure the rate of tasks."""
        future = running[0][1]  # stays in `running` until it is done: an error here cancels it too
        while not future.done():
            for flight, _ in running:
                self._check(flight)
            wait([future], _LOOK_SECONDS)
        wave = future.result()
        running.popleft()
        self._pictures += sum(report.scored + report.quarantined for report in wave.reports)
        self._seconds += sum(report.seconds for report in wave.reports)
        return wave

    def _check(self, flight: _Flight) -> None:
        """Raise an error if a task has reported one, or too many pictures have failed."""
        failures = flight.failures.value
        raise_reported(failures.error)
        check_failures(failures, new_pictures(flight.keys), self._settings, "a wave")

    def _score(self, flight: _Flight) -> ScoredWave:
        keys, task = flight.keys, self._task_of(flight.number, flight.failures)
        sizes = self._cut(keys.num_rows, flight.last)
        reports = self._run_tasks(task, keys, sizes)
        reports = isolate(task, cut_table(keys, sizes), reports, self._run_tasks)
        return ScoredWave(flight.number, keys, reports)

    def _run_tasks(self, task: WaveTask, keys: pa.Table, sizes: Sequence[int]) -> list[TaskReport]:
        """Run one Spark job, and return the reports of its tasks, in their order."""
        numbers = self._session.range(0, len(sizes), 1, len(sizes))
        if self._given_up.is_set():
            raise WaveError("the wave was given up")
        try:
            with shared(self._session.sparkContext, keys, sizes) as shares:
                function = shares.by_task_number(task.function())
                rows = numbers.mapInArrow(function, "report string").collect()
        except (PySparkException, Py4JError) as error:
            raise explain_failure(error) from error
        return [report_from_json(row[REPORT.names[0]]) for row in rows]

    def _cut(self, pictures: int, last: bool) -> list[int]:
        at_once = tasks_at_once(self._session.sparkContext)
        rate = self._pictures / self._seconds if self._seconds else None
        settings = self._settings
        target = pictures_for(settings.task_seconds, rate, settings.task_pictures)
        return task_sizes(pictures, at_once, target, least_pictures(rate), last)

    def _give_up(self, running: Sequence[Future[ScoredWave]]) -> None:
        """Cancel the waves in flight; Spark may be gone already.

        A wave's thread may submit its Spark job after the first call to cancel all jobs. So jobs
        are cancelled until all threads have ended.
        """
        self._given_up.set()
        for wave in running:
            wave.cancel()
        with contextlib.suppress(PySparkException, Py4JError, OSError):
            self._session.sparkContext.cancelAllJobs()
            while wait(running, _LOOK_SECONDS).not_done:
                self._session.sparkContext.cancelAllJobs()
