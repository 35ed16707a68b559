"""Waves as Spark jobs, two of them in flight: the next one fills the cores that the last leaves.

Spark serves jobs in the order in which they came, so a wave's tasks start when cores are free that
the wave before it has no task for. Waves are given back in their order; while one is audited and
published, two others are in flight.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice

import pyarrow as pa
from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from steeldefect.session import explain_failure, tasks_at_once
from steeldefect.settings import ScoreSettings
from steeldefect.shares import shared
from steeldefect.task import REPORT, WaveTask
from steeldefect.task_report import TaskReport, report_from_json
from steeldefect.task_sizes import least_pictures, pictures_for, task_sizes

_IN_FLIGHT = 2


@dataclass(frozen=True)
class ScoredWave:
    """One wave after its tasks; nothing of it is visible yet.

    Attributes:
        number: within the run, from 1.
        keys: what was planned; columns key, etag, size.
        reports: one for each task.
    """

    number: int
    keys: pa.Table
    reports: list[TaskReport]


class Waves:
    """Scores the waves of a run; see `scored`."""

    def __init__(
        self, session: SparkSession, settings: ScoreSettings, task_of: Callable[[int], WaveTask]
    ) -> None:
        """Take what makes the task of a wave from its number."""
        self._session = session
        self._settings = settings
        self._task_of = task_of
        self._pictures = 0
        self._seconds = 0.0

    def scored(self, waves: Sequence[pa.Table]) -> Generator[ScoredWave, None, None]:
        """Score waves, and give them back in their order.

        When the caller stops before the end, the waves in flight are given up.

        Raises:
            WaveError: Spark gave up on a wave; or the error of this project that was the cause.
        """
        running: deque[Future[ScoredWave]] = deque()
        to_come = iter(enumerate(waves, start=1))
        with ThreadPoolExecutor(_IN_FLIGHT, "wave") as pool:

            def submit(count: int) -> None:
                for number, keys in islice(to_come, count):
                    last = number == len(waves)
                    running.append(pool.submit(self._score, number, keys, last))

            try:
                submit(_IN_FLIGHT)
                while running:
                    wave = self._next(running)
                    submit(1)  # before the caller publishes: the cores go on meanwhile
                    yield wave
            finally:
                if running:
                    self._give_up(running)

    def _next(self, running: deque[Future[ScoredWave]]) -> ScoredWave:
        """Wait for the oldest wave, and learn from it how fast tasks are."""
        wave = running[0].result()  # until it is there, it is one of those to give up
        running.popleft()
        self._pictures += sum(report.scored + report.quarantined for report in wave.reports)
        self._seconds += sum(report.seconds for report in wave.reports)
        return wave

    def _score(self, number: int, keys: pa.Table, last: bool) -> ScoredWave:
        sizes = self._cut(keys.num_rows, last)
        function = self._task_of(number).function()
        tasks = self._session.range(0, len(sizes), 1, len(sizes))
        try:
            with shared(self._session.sparkContext, keys, sizes) as shares:
                own = shares.handed_to(function)
                answers = tasks.mapInArrow(own, "report string").collect()
        except (PySparkException, Py4JError) as error:
            raise explain_failure(error) from error
        reports = [report_from_json(answer[REPORT.names[0]]) for answer in answers]
        return ScoredWave(number, keys, reports)

    def _cut(self, pictures: int, last: bool) -> list[int]:
        at_once = tasks_at_once(self._session.sparkContext)
        rate = self._pictures / self._seconds if self._seconds else None
        settings = self._settings
        target = pictures_for(settings.task_seconds, rate, settings.task_pictures)
        return task_sizes(pictures, at_once, target, least_pictures(rate), last)

    def _give_up(self, running: deque[Future[ScoredWave]]) -> None:
        """Stop what is in flight; Spark may be gone already."""
        for wave in running:
            wave.cancel()
        with contextlib.suppress(PySparkException, Py4JError, OSError):
            self._session.sparkContext.cancelAllJobs()
