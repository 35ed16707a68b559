"""Measure what a shadow bundle costs in CPU time.

    python -m benchmarks.watch.shadow [--data FOLDER] [--gate-weights FILE] [--repetitions N]

One task scores the pictures of the scoring benchmark, by turns with the bundle alone, and with the
same bundle as a shadow beside it, in one process and on one thread of the models. The shadow should
cost what the bundle costs alone, less what both share: fetching, decoding and the statistics of the
pictures, which a third turn measures alone. CPU time is that of the whole process.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from datetime import UTC, datetime
from statistics import median
from unittest.mock import patch

import pyarrow as pa

from benchmarks.machine import machine
from benchmarks.scoring.material import LIMITS, Material, add_material_options, prepare
from benchmarks.watch.cost import cpu_seconds
from steeldefect.bundle.files import open_bundle
from steeldefect.detection.detector import Detector
from steeldefect.detection.open_detector import open_detector
from steeldefect.pictures.decoding import decode_gray
from steeldefect.pictures.statistics import picture_statistics
from steeldefect.plan.listing import list_pictures
from steeldefect.plan.shadow import with_shadow
from steeldefect.plan.skipped import PLANNED
from steeldefect.program.command import CommandParser, positive, run_command
from steeldefect.runtimes import Precision, RuntimeChoice, RuntimeOptions
from steeldefect.scoring.bundle_scorer import Measuring, Opened
from steeldefect.scoring.threads import limit_threads
from steeldefect.scoring.worker import Limits, TaskScorer, keys_of
from steeldefect.settings import ScoreSettings
from steeldefect.stores import FetchLimits, Store, open_store
from steeldefect.tables.provenance import Origin

_MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
_LED = Origin("20260101T013000-00000001", "a" * 64, _MOMENT, 1)
_BESIDE = Origin("20260101T013000-00000002", "b" * 64, _MOMENT, 1)
_LIMITS = Limits(2**26, LIMITS, fetch_threads=4)
_MEASURING = Measuring.of(ScoreSettings())


def main() -> int:
    """Measure, print the figures, and return the exit code."""
    parser = CommandParser(prog="python -m benchmarks.watch.shadow", description=__doc__)
    add_material_options(parser)
    parser.add_argument("--repetitions", type=positive, default=5, help="of each way (5)")
    return run_command(parser, _measure)


def _measure(options: argparse.Namespace) -> None:
    material = prepare(options.work, options.data, options.rounds, options.gate_weights)
    bundle, planned = open_bundle(material.bundle), _planned(material)
    source = open_store(str(material.pictures))
    limit_threads(1)  # as the worker processes of Spark do
    print(f"{machine()['CPU']}; CPU time of the process, milliseconds a picture")
    for precision in (Precision.INT8, Precision.F32):
        chosen = RuntimeOptions(RuntimeChoice.OPENVINO, precision=precision, threads=1)
        detectors = [open_detector(bundle, chosen, any_size=True) for _ in range(2)]
        _score(planned, source, detectors)  # the first run also warms up
        turns = [
            (
                _score(planned, source, detectors[:1]),
                _score(planned, source, detectors),
                _read(planned, source),
            )
            for _ in range(options.repetitions)
        ]
        alone, both, shared = (median(times) for times in zip(*turns, strict=True))
        over = sorted(two / (2 * one - read) for one, two, read in turns)
        print(
            f"{precision.value}: alone {alone * 1000:.2f}, with the shadow {both * 1000:.2f}, "
            f"shared {shared * 1000:.2f}; with the shadow / (2 alone - shared) {median(over):.3f} "
            f"({over[0]:.3f} to {over[-1]:.3f} of {len(over)} turns)"
        )


def _planned(material: Material) -> pa.Table:
    """Return all pictures, planned for both."""
    found = list_pictures(open_store(str(material.pictures)), ScoreSettings().include)
    todo = found.append_column("tries", pa.array([0] * found.num_rows, pa.int32())).cast(PLANNED)
    return with_shadow(todo, todo)


def _score(planned: pa.Table, source: Store, detectors: list[Detector]) -> float:
    """Score all pictures, and return the CPU seconds of one; count what is decoded."""
    opened = [Opened(one, origin) for one, origin in zip(detectors, (_LED, _BESIDE), strict=False)]
    shadow = opened[1] if len(opened) > 1 else None
    with (
        tempfile.TemporaryDirectory() as folder,
        patch("steeldefect.scoring.worker.decode_gray", side_effect=decode_gray) as decode,
    ):
        output = open_store(folder)
        scorer = TaskScorer(opened[0], source, output, _LIMITS, measuring=_MEASURING, shadow=shadow)
        before = cpu_seconds()
        scorer.run(keys_of(planned.to_batches()), "000001-000000")
        took = cpu_seconds() - before
    if decode.call_count != planned.num_rows:
        raise RuntimeError(f"{decode.call_count} pictures decoded, not {planned.num_rows}")
    return took / planned.num_rows


def _read(planned: pa.Table, source: Store) -> float:
    """Fetch, decode and measure all pictures, and return the CPU seconds of one."""
    limits = FetchLimits(_LIMITS.max_bytes, _LIMITS.fetch_seconds)
    before = cpu_seconds()
    for key in planned["key"].to_pylist():
        picture_statistics(decode_gray(source.fetch(key, limits).data, LIMITS))
    return (cpu_seconds() - before) / planned.num_rows


if __name__ == "__main__":
    sys.exit(main())
