"""Waves as Spark jobs, two of them in flight: the next one fills the cores that the last leaves.

While waves are in flight, their failures are watched: a wave in which too many pictures have failed
already is stopped, not scored to its end.

Spark serves jobs in the order in which they came, so a wave's tasks start when cores are free that
the wave before it has no task for. Waves are given back in their order; while one is audited and
published, two others are in flight.
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
    """One wave after its tasks; nothing of it is visible yet.

    Attributes:
        number: within the run, from 1.
        keys: what was planned; columns key, etag, size, tries.
        reports: one for each task.
    """

    number: int
    keys: pa.Table
    reports: list[TaskReport]

    @property
    def new(self) -> int:
        """Pictures of the wave that had not failed before."""
        return new_pictures(self.keys)

    @property
    def failures(self) -> Failures:
        """Of all its tasks."""
        return sum((report.failures for report in self.reports), Failures())


TaskOf = Callable[[int, Accumulator[Failures]], WaveTask]


@dataclass(frozen=True)
class _Flight:
    """A wave on its way; `failures` grows while its tasks end."""

    number: int
    keys: pa.Table
    last: bool
    failures: Accumulator[Failures]


class Waves:
    """Scores the waves of a run; see `scored`."""

    def __init__(self, session: SparkSession, settings: ScoreSettings, task_of: TaskOf) -> None:
        """Take what makes the task of a wave from its number and the counter of its failures."""
        self._session = session
        self._settings = settings
        self._task_of = task_of
        self._pictures = 0
        self._seconds = 0.0
        self._given_up = threading.Event()

    def scored(self, waves: Sequence[pa.Table]) -> Generator[ScoredWave, None, None]:
        """Score waves, and give them back in their order.

        When the caller stops before the end, the waves in flight are given up.

        Raises:
            WaveError: Spark gave up on a wave; or the error of this project that was the cause.
            FailureShareError, SourceDownError: too many pictures of a wave have failed already.
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
                    submit(1)  # before the caller publishes: the cores go on meanwhile
                    yield wave
            finally:
                if running:
                    self._give_up([future for _, future in running])

    def _next(self, running: deque[tuple[_Flight, Future[ScoredWave]]]) -> ScoredWave:
        """Wait for the oldest wave, watch all, and learn from it how fast tasks are."""
        future = running[0][1]  # until it is there, it is one of those to give up
        while not future.done():
            for flight, _ in running:
                self._look_at(flight)
            wait([future], _LOOK_SECONDS)
        wave = future.result()
        running.popleft()
        self._pictures += sum(report.scored + report.quarantined for report in wave.reports)
        self._seconds += sum(report.seconds for report in wave.reports)
        return wave

    def _look_at(self, flight: _Flight) -> None:
        """Stop where a task has reported an error, or too many pictures have failed."""
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
        """Run one Spark job; gives the report of each task, in their order."""
        numbers = self._session.range(0, len(sizes), 1, len(sizes))
        if self._given_up.is_set():
            raise WaveError("the wave was given up")
        try:
            with shared(self._session.sparkContext, keys, sizes) as shares:
                own = shares.handed_to(task.function())
                answers = numbers.mapInArrow(own, "report string").collect()
        except (PySparkException, Py4JError) as error:
            raise explain_failure(error) from error
        return [report_from_json(answer[REPORT.names[0]]) for answer in answers]

    def _cut(self, pictures: int, last: bool) -> list[int]:
        at_once = tasks_at_once(self._session.sparkContext)
        rate = self._pictures / self._seconds if self._seconds else None
        settings = self._settings
        target = pictures_for(settings.task_seconds, rate, settings.task_pictures)
        return task_sizes(pictures, at_once, target, least_pictures(rate), last)

    def _give_up(self, running: Sequence[Future[ScoredWave]]) -> None:
        """Stop what is in flight; Spark may be gone already.

        A job that was on its way to Spark is stopped when it has got there.
        """
        self._given_up.set()
        for wave in running:
            wave.cancel()
        with contextlib.suppress(PySparkException, Py4JError, OSError):
            self._session.sparkContext.cancelAllJobs()
            while wait(running, _LOOK_SECONDS).not_done:
                self._session.sparkContext.cancelAllJobs()
