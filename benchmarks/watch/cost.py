"""Measure what audit of the gate, picture statistics and `defects` cost in CPU time.

    python -m benchmarks.watch.cost [--data FOLDER] [--gate-weights FILE] [--repetitions N]

One task scores the pictures of the scoring benchmark, by turns with all three and with none of
them, in one process and on one thread of the models. The audit takes 1% of the pictures that the
gate stops. CPU time is that of the whole process.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
from contextlib import ExitStack
from datetime import UTC, datetime
from statistics import median
from typing import Any
from unittest.mock import patch

from benchmarks.machine import machine
from benchmarks.scoring.material import LIMITS, Material, add_material_options, prepare
from steeldefect.bundle.files import open_bundle
from steeldefect.detection.detector import Detector
from steeldefect.detection.open_detector import open_detector
from steeldefect.detection.outline import OutlineRules
from steeldefect.pictures.statistics import PictureStatistics
from steeldefect.plan.listing import list_pictures
from steeldefect.program.command import CommandParser, positive, run_command
from steeldefect.runtimes import Precision, RuntimeChoice, RuntimeOptions
from steeldefect.scoring import bundle_scorer, worker
from steeldefect.scoring.bundle_scorer import Measuring, Opened
from steeldefect.scoring.threads import limit_threads
from steeldefect.scoring.worker import Limits, TaskScorer, keys_of
from steeldefect.settings import ScoreSettings
from steeldefect.stores import open_store
from steeldefect.tables.provenance import Origin

_NO_STATISTICS = PictureStatistics(0.0, 0.0, None, 0.0, 0.0, 0.0)
_ON = Measuring.of(ScoreSettings())
_OFF = Measuring()


def main() -> int:
    """Measure, print the figures, and return the exit code."""
    parser = CommandParser(prog="python -m benchmarks.watch.cost", description=__doc__)
    add_material_options(parser)
    parser.add_argument("--repetitions", type=positive, default=5, help="of each way (5)")
    return run_command(parser, _measure)


def _measure(options: argparse.Namespace) -> None:
    material = prepare(options.work, options.data, options.rounds, options.gate_weights)
    bundle = open_bundle(material.bundle)
    limit_threads(1)  # as the worker processes of Spark do
    print(f"{machine()['CPU']}; CPU time of the process, milliseconds a picture")
    for precision in (Precision.INT8, Precision.F32):
        chosen = RuntimeOptions(RuntimeChoice.OPENVINO, precision=precision, threads=1)
        detector = open_detector(bundle, chosen, any_size=True)
        _score(material, detector, on=True)  # the first run also warms up
        both = [
            (_score(material, detector, on=False), _score(material, detector, on=True))
            for _ in range(options.repetitions)
        ]
        off, on = (median(times) for times in zip(*both, strict=True))
        ratios = sorted(one[1] / one[0] for one in both)
        print(
            f"{precision.value}: without {off * 1000:.2f}, with {on * 1000:.2f}; ratio "
            f"{median(ratios):.3f} ({ratios[0]:.3f} to {ratios[-1]:.3f} of {len(both)} pairs)"
        )


def _score(material: Material, detector: Detector, *, on: bool) -> float:
    """Score all pictures, and return the CPU seconds of one."""
    source = open_store(str(material.pictures))
    listing = list_pictures(source, ScoreSettings().include)
    limits = Limits(2**26, LIMITS, fetch_threads=4)
    origin = Origin("20260101T013000-00000001", "b" * 64, datetime(2026, 1, 1, tzinfo=UTC), 1)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as patches:
        if not on:
            patches.enter_context(patch.object(worker, "picture_statistics", _no_statistics))
            patches.enter_context(patch.object(bundle_scorer, "OutlineRules", _no_regions))
        scorer = TaskScorer(
            Opened(detector, origin),
            source,
            open_store(folder),
            limits,
            measuring=_ON if on else _OFF,
        )
        before = cpu_seconds()
        report = scorer.run(keys_of(listing.to_batches()), "000001-000000")
        return (cpu_seconds() - before) / (report.scored + report.quarantined)


def _no_statistics(_: object) -> PictureStatistics:
    return _NO_STATISTICS


def _no_regions(**_: Any) -> OutlineRules:
    return OutlineRules(measured=False)


def cpu_seconds() -> float:
    """Return the CPU seconds of this process so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    sys.exit(main())
