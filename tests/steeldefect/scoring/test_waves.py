"""Waves in flight: their order, their overlap, and what happens when one fails."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyspark import Accumulator
from pyspark.sql import SparkSession

from steeldefect.errors import SourceDownError, StoreError, WaveError
from steeldefect.plan.cut import Wave
from steeldefect.plan.skipped import PLANNED
from steeldefect.scoring.task import REPORT
from steeldefect.scoring.task_report import Failures, TaskReport, report_to_json
from steeldefect.scoring.waves import Waves
from steeldefect.settings import ScoreSettings
from steeldefect.spark.session import open_session, tasks_at_once

pytestmark = pytest.mark.spark

Batches = Iterator[pa.RecordBatch]


class Tasks:
    """Replacement for `WaveTask`: its tasks write down when they ran, and report their keys."""

    def __init__(self, notes: Path, wave: int, slow: str = "", bad: str = "") -> None:
        self._notes, self._wave, self._slow, self._bad = notes, wave, slow, bad

    def function(self) -> Callable[[Batches], Batches]:
        notes, wave, slow, bad = self._notes, self._wave, self._slow, self._bad

        def task(batches: Batches) -> Batches:
            keys = [key for batch in batches for key in batch.column("key").to_pylist()]
            began = time.time()
            if bad in keys:
                raise ZeroDivisionError(bad)
            time.sleep(3.0 if slow in keys else 0.01)
            note = f"{wave} {began} {time.time()} {len(keys)}\n"
            (notes / f"{os.getpid()}-{began}").write_text(note)
            report = TaskReport(scored=len(keys), seconds=1.0)
            yield pa.record_batch([[report_to_json(report)]], schema=REPORT)

        return task


@pytest.fixture(scope="module")
def session() -> Iterator[SparkSession]:
    opened = open_session("waves")
    yield opened
    opened.stop()


def keys(*names: str) -> pa.Table:
    rows = [{"key": name, "etag": "e", "size": 1, "tries": 0} for name in names]
    return pa.Table.from_pylist(rows, PLANNED)


def cut(*waves: pa.Table) -> list[Wave]:
    return [Wave(keys, number == len(waves)) for number, keys in enumerate(waves, start=1)]


def run(session: SparkSession, waves: list[pa.Table], tasks: Any, **settings: Any) -> list[Any]:
    return list(Waves(session, ScoreSettings(**settings), tasks).scored(cut(*waves)))


def notes_of(folder: Path) -> list[tuple[int, float, float, int]]:
    found = [path.read_text().split() for path in folder.iterdir()]
    return [(int(wave), float(began), float(ended), int(n)) for wave, began, ended, n in found]


def test_the_next_wave_fills_the_cores_that_the_last_one_leaves(
    session: SparkSession, tmp_path: Path
) -> None:
    if session.sparkContext.defaultParallelism < 2:
        pytest.skip("one core: nothing can be left idle")
    waves = [keys("slow", "a", "b", "c"), keys("d", "e", "f", "g"), keys("h")]
    found = run(session, waves, lambda n, _: Tasks(tmp_path, n, slow="slow"), task_pictures=1)
    assert [wave.number for wave in found] == [1, 2, 3]
    assert [wave.keys["key"].to_pylist()[0] for wave in found] == ["slow", "d", "h"]
    assert [sum(one.scored for one in wave.reports) for wave in found] == [4, 4, 1]
    notes = notes_of(tmp_path)
    slow_ended = max(ended for wave, began, ended, _ in notes if ended - began > 2)
    assert any(wave == 2 and ended < slow_ended for wave, _, ended, _ in notes)
    assert all(began > slow_ended for wave, began, _, _ in notes if wave == 3), "two in flight"


def test_the_cores_go_on_while_a_wave_is_published(session: SparkSession, tmp_path: Path) -> None:
    waves = [keys("a"), keys("b"), keys("c"), keys("d")]
    scored = Waves(session, ScoreSettings(), lambda n, _: Tasks(tmp_path, n)).scored(cut(*waves))
    assert next(scored).number == 1
    deadline = time.monotonic() + 30
    while len(list(tmp_path.iterdir())) < 3 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert {wave for wave, *_ in notes_of(tmp_path)} == {1, 2, 3}
    assert [wave.number for wave in scored] == [2, 3, 4]


def test_later_waves_are_cut_by_time(session: SparkSession, tmp_path: Path) -> None:
    waves = [keys(*(f"{wave}-{n}" for n in range(24))) for wave in range(4)]
    found = run(
        session, waves, lambda n, _: Tasks(tmp_path, n), task_pictures=4, task_seconds=2.0
    )  # each task of 4 says that it took a second
    sizes = [sorted(one.scored for one in wave.reports) for wave in found]
    assert sizes[0] == [4] * 6
    cores = session.sparkContext.defaultParallelism
    assert max(sizes[2]) == min(8, -(-24 // cores)), "two seconds hold eight"


def test_one_wave_fails_and_the_others_are_given_up(session: SparkSession, tmp_path: Path) -> None:
    waves = [keys("a"), keys("bad"), keys("slow"), keys("never")]
    scored = Waves(
        session, ScoreSettings(), lambda n, _: Tasks(tmp_path, n, slow="slow", bad="bad")
    ).scored(cut(*waves))
    assert next(scored).number == 1
    with pytest.raises(WaveError, match="ZeroDivisionError: bad"):
        list(scored)
    assert {wave for wave, *_ in notes_of(tmp_path)} <= {1, 3}
    assert run(session, [keys("x")], lambda n, _: Tasks(tmp_path, n))[0].number == 1


def test_a_caller_who_stops_leaves_nothing_running(session: SparkSession, tmp_path: Path) -> None:
    scored = Waves(session, ScoreSettings(), lambda n, _: Tasks(tmp_path, n, slow="slow")).scored(
        cut(keys("a"), keys("slow"), keys("c"))
    )
    next(scored)
    began = time.monotonic()
    scored.close()
    assert time.monotonic() - began < 3.0
    tracker = session.sparkContext.statusTracker()
    assert list(tracker.getActiveJobsIds()) == []


def test_a_wave_that_has_not_reached_spark_yet_is_given_up_as_well(
    session: SparkSession, tmp_path: Path
) -> None:
    """When the caller stops, the wave's thread may not have submitted its job to Spark yet."""

    def tasks(number: int, _: Accumulator[Failures]) -> Tasks:
        if number > 1:
            time.sleep(1.0)
        return Tasks(tmp_path, number, slow="slow")

    scored = Waves(session, ScoreSettings(), tasks).scored(
        cut(keys("a"), keys("slow"), keys("slow"))
    )
    next(scored)
    scored.close()
    assert {wave for wave, *_ in notes_of(tmp_path)} == {1}


class Reporting(Tasks):
    """Replacement for `WaveTask`: its tasks report that the store of the pictures is down."""

    def __init__(self, notes: Path, wave: int, failures: Accumulator[Failures]) -> None:
        super().__init__(notes, wave)
        self._failures = failures

    def function(self) -> Callable[[Batches], Batches]:
        notes, failures = self._notes, self._failures

        def task(batches: Batches) -> Batches:
            del batches
            time.sleep(0.3)
            (notes / f"{os.getpid()}-{time.time()}").write_text("ran")
            error = "steeldefect.errors.SourceDownError: it does not answer"
            failures.add(Failures(error=error))
            yield pa.record_batch([[report_to_json(TaskReport(error=error))]], schema=REPORT)

        return task


def test_an_error_that_one_task_reports_stops_its_wave(
    session: SparkSession, tmp_path: Path
) -> None:
    pictures = [f"{number:03d}" for number in range(60)]
    waves = [keys(*pictures), keys("later")]  # a wave that is not the last is cut evenly
    with pytest.raises(SourceDownError, match="it does not answer"):
        run(session, waves, lambda n, failed: Reporting(tmp_path, n, failed), task_pictures=1)
    time.sleep(0.5)
    assert len(list(tmp_path.iterdir())) < 40


def test_a_wave_is_published_while_the_next_one_is_still_being_listed(
    session: SparkSession, tmp_path: Path
) -> None:
    go_on = threading.Event()

    def listed() -> Iterator[Wave]:
        yield Wave(keys("a"), False)
        assert go_on.wait(60)
        yield Wave(keys("b"), True)

    scored = Waves(session, ScoreSettings(), lambda n, _: Tasks(tmp_path, n)).scored(listed())
    first = next(scored)
    assert (first.keys["key"].to_pylist(), first.last) == (["a"], False)
    go_on.set()
    assert [(wave.keys["key"].to_pylist(), wave.last) for wave in scored] == [(["b"], True)]


def test_a_listing_that_breaks_off_leaves_the_waves_before(
    session: SparkSession, tmp_path: Path
) -> None:
    def listed() -> Iterator[Wave]:
        yield Wave(keys("a"), False)
        yield Wave(keys("b"), False)
        raise StoreError("the store refused")

    scored = Waves(session, ScoreSettings(), lambda n, _: Tasks(tmp_path, n)).scored(listed())
    assert [next(scored).number, next(scored).number] == [1, 2]
    with pytest.raises(StoreError, match="the store refused"):
        next(scored)


def test_a_caller_who_stops_does_not_wait_for_the_listing(
    session: SparkSession, tmp_path: Path
) -> None:
    def listed() -> Iterator[Wave]:
        yield Wave(keys("a"), False)
        while not waves.given_up():
            time.sleep(0.05)

    waves = Waves(session, ScoreSettings(), lambda n, _: Tasks(tmp_path, n))
    scored = waves.scored(listed())
    next(scored)
    began = time.monotonic()
    scored.close()
    assert time.monotonic() - began < 30


def test_a_wave_is_sized_by_the_rate_of_the_waves_before(
    session: SparkSession, tmp_path: Path
) -> None:
    at_once = tasks_at_once(session.sparkContext)
    waves = Waves(session, ScoreSettings(), lambda n, _: Tasks(tmp_path, n))
    # the rate is not known: 50 for each task, but enough for a few damaged ones
    assert waves.pictures() == max(50 * at_once, 500)
    next(waves.scored(cut(keys(*"abcdefgh"), keys(*"ijklmnop"))))
    # each task says that it took a second
    tasks = min(at_once, 8)
    assert waves.pictures() == pytest.approx(at_once * 60 * 8 / tasks, rel=0.01)
    assert Waves(session, ScoreSettings(wave_pictures=7), waves._task_of).pictures() == 7
