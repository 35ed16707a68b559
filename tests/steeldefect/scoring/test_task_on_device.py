"""A task whose models run as device programs writes the rows that other models write.

The programs run on the CPU here: TensorFlow compiles the same operations for a GPU.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from support.samples import fill_archive

from steeldefect.bundle.files import Bundle, ModelForm, ModelName
from steeldefect.detection.detector import Detector
from steeldefect.pictures.decoding import DecodeLimits
from steeldefect.plan.listing import list_pictures
from steeldefect.runtimes import DeviceChoice, Engine, Precision, RuntimeChoice
from steeldefect.runtimes.tensorflow import GpuRuntime, TensorFlowRuntime
from steeldefect.scoring.bundle_scorer import Measuring, Opened
from steeldefect.scoring.worker import Limits, TaskScorer, keys_of
from steeldefect.stores import open_store
from steeldefect.tables.parts import read_part
from steeldefect.tables.provenance import Origin
from steeldefect.tables.schema import SCHEMAS, TableName

ORIGIN = Origin("r" * 8, "b" * 64, datetime(2026, 1, 2, tzinfo=UTC), 1)
LIMITS = Limits(10**6, DecodeLimits(10**6), fetch_threads=2)
EVERYTHING = Measuring(rejected_per_picture=3, mask_levels=(0.3, 0.7), audit_share=0.5)
PROBABILITIES = {"gate_probability", "mean_probability", "max_probability"}


def task_rows(
    bundle: Bundle, kind: type[TensorFlowRuntime], archive: Path, output: Path, size: int
) -> dict[TableName, list[dict[str, Any]]]:
    """Score the archive with one kind of runtime; return all rows, sorted."""
    engine = Engine(
        RuntimeChoice.TENSORFLOW, DeviceChoice.CPU, Precision.F32, batch_size=size, threads=0
    )
    gate, segmenter = (
        kind(bundle.model_path(name, ModelForm.KERAS), engine)
        for name in (ModelName.GATE, ModelName.SEGMENTER)
    )
    source, store = open_store(str(archive)), open_store(str(output))
    detector = Detector(bundle.manifest, gate, segmenter)
    scorer = TaskScorer(Opened(detector, ORIGIN), source, store, LIMITS, measuring=EVERYTHING)
    report = scorer.run(keys_of(list_pictures(source, ["*"]).to_batches()), "label")
    found: dict[TableName, list[dict[str, Any]]] = {}
    for part in report.parts:
        rows = read_part(store, part, SCHEMAS[part.table].stored.names).to_pylist()
        order = ("key", "class_id", "level", "number")
        found[part.table] = sorted(rows, key=lambda row: [row.get(one) or 0 for one in order[1:]])
        found[part.table].sort(key=lambda row: str(row["key"]))
    return found


@pytest.mark.parametrize("size", [1, 3, 8])
def test_programs_write_the_rows_of_models(rule_bundle: Bundle, tmp_path: Path, size: int) -> None:
    fill_archive(tmp_path / "archive", 11)
    (tmp_path / "archive" / "torn.jpg").write_bytes(b"\xff\xd8\xff")
    plain, programs = (
        task_rows(rule_bundle, kind, tmp_path / "archive", tmp_path / kind.__name__, size)
        for kind in (TensorFlowRuntime, GpuRuntime)
    )
    assert plain.keys() == programs.keys() >= {TableName.PREDICTIONS, TableName.MASK_LEVELS}
    for table, rows in plain.items():
        assert len(rows) == len(programs[table]) > 0
        for one, other in zip(rows, programs[table], strict=True):
            for name in PROBABILITIES & one.keys():
                assert one.pop(name) == pytest.approx(other.pop(name), abs=1e-5)
            assert one == other
