"""Score waves as Spark jobs, two at a time: the next wave uses the cores that a wave leaves idle.

A wave is taken from the plan in the thread that scores it, because the plan may have to wait for
pictures that are still to be listed. Meanwhile the caller can publish.

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
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from itertools import count

import pyarrow as pa
from py4j.protocol import Py4JError
from pyspark import Accumulator
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from steeldefect.errors import WaveError
from steeldefect.plan.cut import Wave
from steeldefect.plan.plan import new_pictures
from steeldefect.plan.shadow import shadow_part
from steeldefect.scoring.failure_share import check_failures
from steeldefect.scoring.isolation import cut_table, isolate, raise_reported
from steeldefect.scoring.key_shares import shared
from steeldefect.scoring.measured_rate import MeasuredRate
from steeldefect.scoring.task import REPORT, FailuresParam, WaveTask
from steeldefect.scoring.task_report import Failures, TaskReport, report_from_json
from steeldefect.scoring.task_sizes import least_pictures, pictures_for, task_sizes
from steeldefect.scoring.wave_sizes import wave_pictures
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
        last: whether it is the run's last wave.
    """

    number: int
    keys: pa.Table
    reports: list[TaskReport]
    last: bool = False

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
        return ScoredWave(self.number, keys, reports, self.last)


TaskOf = Callable[[int, Accumulator[Failures]], WaveTask]


@dataclass
class _Flight:
    """A wave in flight.

    Attributes:
        number: its number.
        wave: its pictures; None until they are taken from the plan, and if there are no more.
        failures: failures of its tasks; they grow while its tasks end.
    """

    number: int
    wave: Wave | None
    failures: Accumulator[Failures]


class _InTurn:
    """The waves of a plan, which threads take in the order of their numbers."""

    def __init__(self, waves: Iterable[Wave]) -> None:
        self._waves = iter(waves)
        self._turn = threading.Condition()
        self._next = 1

    def take(self, number: int) -> Wave | None:
        """Wait for the turn of a number, and take its wave; None if there are no more."""
        with self._turn:
            self._turn.wait_for(lambda: self._next == number)
            try:
                return next(self._waves, None)
            finally:
                self._next += 1
                self._turn.notify_all()


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
        self._rate = MeasuredRate()
        self._given_up = threading.Event()

    def pictures(self) -> int:
        """Return the number of pictures for the next wave."""
        stated = self._settings.wave_pictures
        if isinstance(stated, int):
            return stated
        return wave_pictures(tasks_at_once(self._session.sparkContext), self._rate.of_a_task)

    def given_up(self) -> bool:
        """Return whether the waves in flight are given up."""
        return self._given_up.is_set()

    def scored(self, waves: Iterable[Wave]) -> Generator[ScoredWave, None, None]:
        """Score waves, and yield them in their order.

        If the caller stops before the end, the waves in flight are cancelled.

        Args:
            waves: the waves; other threads iterate, one at a time. They have to end when
                `given_up` is true.

        Raises:
            WaveError: Spark gave up on a wave. If an error of this project is the cause, that error
                is raised instead.
            FailureShareError, SourceDownError: too many pictures of a wave have failed.
            Exception: an error of `waves`; the waves before it were yielded.
        """
        running: deque[tuple[_Flight, Future[ScoredWave | None]]] = deque()
        in_turn, numbers = _InTurn(waves), count(1)
        with ThreadPoolExecutor(_IN_FLIGHT, "wave") as pool:

            def submit() -> None:
                failures = self._session.sparkContext.accumulator(Failures(), FailuresParam())
                flight = _Flight(next(numbers), None, failures)
                running.append((flight, pool.submit(self._score, flight, in_turn)))

            try:
                for _ in range(_IN_FLIGHT):
                    submit()
                while running:
                    wave = self._next(running)
                    if wave is None:
                        continue  # there are no more, so those behind it are None, too
                    submit()  # before the caller publishes, so that no core is idle meanwhile
                    yield wave
            finally:
                if running:
                    self._give_up([future for _, future in running])

    def _next(self, running: deque[tuple[_Flight, Future[ScoredWave | None]]]) -> ScoredWave | None:
        """Wait for the oldest wave, check all waves meanwhile, and measure the rate of tasks."""
        future = running[0][1]  # stays in `running` until it is done: an error here cancels it too
        while not future.done():
            for flight, _ in running:
                self._check(flight)
            wait([future], _LOOK_SECONDS)
        wave = future.result()
        running.popleft()
        if wave is not None:
            pictures = sum(report.scored + report.quarantined for report in wave.reports)
            self._rate.add(pictures, sum(report.seconds for report in wave.reports))
        return wave

    def _check(self, flight: _Flight) -> None:
        """Raise an error if a task has reported one, or too many pictures have failed."""
        if flight.wave is None:
            return
        failures = flight.failures.value
        raise_reported(failures.error)
        check_failures(failures, new_pictures(flight.wave.keys), self._settings, "a wave")

    def _score(self, flight: _Flight, in_turn: _InTurn) -> ScoredWave | None:
        """Take the next wave from the plan, and score it; None if there are no more."""
        try:
            return self._taken_and_scored(flight, in_turn)
        except (PySparkException, Py4JError) as error:  # the size of a wave asks Spark, too
            raise explain_failure(error) from error

    def _taken_and_scored(self, flight: _Flight, in_turn: _InTurn) -> ScoredWave | None:
        flight.wave = wave = in_turn.take(flight.number)
        if wave is None:
            return None
        task = self._task_of(flight.number, flight.failures)
        sizes = self._cut(wave.keys.num_rows, wave.last)
        reports = self._run_tasks(task, wave.keys, sizes)
        reports = isolate(task, cut_table(wave.keys, sizes), reports, self._run_tasks)
        return ScoredWave(flight.number, wave.keys, reports, wave.last)

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
        rate, settings = self._rate.of_a_task, self._settings
        target = pictures_for(settings.task_seconds, rate, settings.task_pictures)
        return task_sizes(pictures, at_once, target, least_pictures(rate), last)

    def _give_up(self, running: Sequence[Future[ScoredWave | None]]) -> None:
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
