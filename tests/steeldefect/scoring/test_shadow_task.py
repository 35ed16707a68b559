"""A task with a shadow whose models are not open: the bundle that leads scores all the same."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from support.samples import fill_archive
from support.short_runs import OPTIONS

from steeldefect.bundle.files import Bundle
from steeldefect.detection.detector import Detector
from steeldefect.detection.open_detector import open_detector
from steeldefect.pictures.decoding import DecodeLimits
from steeldefect.plan.listing import list_pictures
from steeldefect.plan.shadow import with_shadow
from steeldefect.plan.skipped import PLANNED
from steeldefect.scoring import task as tasks
from steeldefect.scoring.bundle_scorer import Measuring
from steeldefect.scoring.isolation import give_up
from steeldefect.scoring.process_models import BundleShipment
from steeldefect.scoring.task import ShadowTask, WaveTask, run_task
from steeldefect.scoring.task_report import TaskReport, report_from_json
from steeldefect.scoring.worker import Limits
from steeldefect.stores import S3Settings, open_store
from steeldefect.tables.parts import read_part
from steeldefect.tables.provenance import Origin
from steeldefect.tables.schema import TableName

NOW = datetime(2026, 5, 1, 1, 30, tzinfo=UTC)
LEADING, SHADOW = "a" * 64, "b" * 64


class Sum:
    """Stands in for an accumulator."""

    def __init__(self) -> None:
        self.value: Any = None

    def add(self, more: Any) -> None:
        self.value = more if self.value is None else self.value + more


class Counting:
    """Stands in for the counters of a run."""

    def __init__(self) -> None:
        self.done, self.failed = Sum(), Sum()


class Context:
    """Stands in for Spark's context of a task."""

    def attemptNumber(self) -> int:
        return 0

    def partitionId(self) -> int:
        return 0


@pytest.fixture
def planned(tmp_path: Path) -> pa.Table:
    """Five pictures, of which the shadow scores four; one of them had failed with it before."""
    found = list_pictures(open_store(str(fill_archive(tmp_path / "archive", 5))), ["*"])
    todo = found.append_column("tries", pa.array([0] * 5, pa.int32())).cast(PLANNED)
    shadow = todo.set_column(4, "tries", pa.array([0, 0, 2, 0, 0], pa.int32())).slice(1)
    return with_shadow(todo, shadow)


@pytest.fixture
def wave(tmp_path: Path, rule_bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> WaveTask:
    """A task whose shadow cannot be opened."""
    detector = open_detector(rule_bundle, OPTIONS)

    def opened(shipment: BundleShipment, *_: object) -> Detector:
        if shipment.digest == SHADOW:
            raise MemoryError("no memory for a second model")
        return detector

    monkeypatch.setattr(tasks, "models_of_process", opened)
    monkeypatch.setattr(tasks.TaskContext, "get", Context)
    shipments = [BundleShipment(digest, (), None) for digest in (LEADING, SHADOW)]  # type: ignore[arg-type]
    return WaveTask(
        origin=Origin("led", LEADING, NOW, 1),
        wave=1,
        source_uri=str(tmp_path / "archive"),
        output_uri=str(tmp_path / "out"),
        s3=S3Settings(),
        options=OPTIONS,
        any_size=False,
        limits=Limits(2**20, DecodeLimits(2**20), fetch_threads=2),
        measuring=Measuring(),
        shipment=shipments[0],
        counters=Counting(),  # type: ignore[arg-type]
        failures=Sum(),  # type: ignore[arg-type]
        shadow=ShadowTask(Origin("beside", SHADOW, NOW, 1), shipments[1]),
    )


def run(task: WaveTask, planned: pa.Table) -> TaskReport:
    batch = run_task(task, iter(planned.to_batches()))
    return report_from_json(batch.column("report")[0].as_py())


def quarantined(task: WaveTask, report: TaskReport) -> list[tuple[Any, ...]]:
    names = ["key", "run_id", "bundle", "stage", "error", "message", "transient", "tries"]
    found: list[tuple[Any, ...]] = []
    for part in report.parts:
        if part.table is TableName.QUARANTINE:
            rows = read_part(open_store(task.output_uri), part, names).to_pylist()
            found += [tuple(row[name] for name in names) for row in rows]
    return sorted(found)


def missed(message: str) -> list[tuple[Any, ...]]:
    return [
        (f"p00{number}.png", "beside", SHADOW, "worker", "WorkerDiedError", message, True, tries)
        for number, tries in ((1, 1), (2, 3), (3, 1), (4, 1))
    ]


def test_a_shadow_that_cannot_be_opened(wave: WaveTask, planned: pa.Table) -> None:
    report = run(wave, planned)
    assert (report.scored, report.quarantined) == (5, 0)
    assert report.shadow is not None
    why = "the shadow's models cannot be opened: MemoryError: no memory for a second model"
    assert quarantined(wave, report.shadow) == missed(why)
    assert quarantined(wave, report) == []


def test_after_a_process_died_its_pictures_are_scored_without_the_shadow(
    wave: WaveTask, planned: pa.Table
) -> None:
    report = run(wave.alone(), planned)
    assert (report.scored, report.quarantined) == (5, 0)
    assert report.shadow is not None
    (first, *_) = found = quarantined(wave, report.shadow)
    assert found == missed(first[5])
    assert "these pictures were scored without the shadow" in first[5]


def test_a_picture_that_kills_its_process_is_given_up_for_both(
    wave: WaveTask, planned: pa.Table
) -> None:
    report = give_up(wave, planned.slice(2, 1))
    assert report.shadow is not None
    (led,), (beside,) = quarantined(wave, report), quarantined(wave, report.shadow)
    assert (led[:3], led[-1]) == (("p002.png", "led", LEADING), 1)
    assert (beside[:3], beside[-1]) == (("p002.png", "beside", SHADOW), 3)
    of_another = give_up(wave, planned.slice(0, 1))  # not for the shadow
    assert of_another.shadow == TaskReport()
