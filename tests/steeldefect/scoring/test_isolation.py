"""A picture that kills every process that scores it is found, and the others are scored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pytest

from steeldefect.errors import StoreError, WaveError
from steeldefect.plan.skipped import PLANNED
from steeldefect.scoring.isolation import cut_table, isolate
from steeldefect.scoring.task_report import TaskReport


def keys(count: int) -> pa.Table:
    rows = [{"key": f"{n}", "etag": "e", "size": 1, "tries": 0} for n in range(count)]
    return pa.Table.from_pylist(rows, PLANNED)


class Task:
    """Replacement for `WaveTask` that records the pictures that are given up."""

    def __init__(self) -> None:
        self.given_up: list[str] = []
        self.isolated = False

    def alone(self) -> Task:
        self.isolated = True
        return self


def note_given_up(task: Task, part: pa.Table) -> TaskReport:
    task.given_up += part["key"].to_pylist()
    return TaskReport(quarantined=1)


class Jobs:
    """Replacement for Spark: tasks with certain pictures die."""

    def __init__(self, deadly: set[str], error: str = "") -> None:
        self._deadly, self._error = deadly, error
        self.sizes: list[list[int]] = []

    def __call__(self, task: Any, planned: pa.Table, sizes: Sequence[int]) -> list[TaskReport]:
        self.sizes.append(list(sizes))
        return [self._report(part) for part in cut_table(planned, sizes)]

    def _report(self, part: pa.Table) -> TaskReport:
        if self._error:
            return TaskReport(error=self._error)
        if self._deadly & set(part["key"].to_pylist()):
            return TaskReport(given_back=True)
        return TaskReport(scored=part.num_rows)


@pytest.mark.parametrize("deadly", [set(), {"0"}, {"77"}, {"199"}, {"3", "4", "150"}])
def test_the_pictures_that_kill_are_found_and_all_others_scored(
    deadly: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("steeldefect.scoring.isolation.give_up", note_given_up)
    task, jobs = Task(), Jobs(deadly)
    parts = cut_table(keys(200), [50, 50, 50, 50])
    first = jobs(task, keys(200), [50, 50, 50, 50])
    reports = isolate(task, parts, first, jobs)  # type: ignore[arg-type]
    assert sorted(task.given_up) == sorted(deadly)
    assert sum(report.scored for report in reports) == 200 - len(deadly)
    assert sum(report.quarantined for report in reports) == len(deadly)
    assert not any(report.given_back for report in reports)
    assert len(jobs.sizes) <= 4, "fifty pictures are one after two cuts"
    assert task.isolated == bool(deadly)


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        ("steeldefect.errors.StoreError: the output is gone", StoreError, "the output is gone"),
        ("builtins.OSError: [Errno 28] No space left on device", StoreError, "temporary files is"),
        ("builtins.OSError: a surprise", WaveError, "a surprise"),
    ],
)
def test_an_error_of_the_task_is_raised_as_itself(
    error: str, kind: type[Exception], message: str
) -> None:
    back = [TaskReport(given_back=True)]
    with pytest.raises(kind) as caught:
        isolate(Task(), [keys(8)], back, Jobs(set(), error))  # type: ignore[arg-type]
    assert message in str(caught.value)
