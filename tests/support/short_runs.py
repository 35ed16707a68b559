"""Run the scoring job quickly in this process: with quick leases, and without Spark."""

from __future__ import annotations

import functools
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

from jobs.score import main
from steeldefect.bundle.files import open_bundle
from steeldefect.detection.detector import Detector
from steeldefect.detection.open_detector import open_detector
from steeldefect.pictures.decoding import DecodeLimits
from steeldefect.plan.cut import Wave
from steeldefect.publish import lease
from steeldefect.run import ScoringRun
from steeldefect.runtimes import Precision, RuntimeChoice, RuntimeOptions
from steeldefect.scoring.bundle_scorer import Measuring, Opened
from steeldefect.scoring.fetching import Breaker
from steeldefect.scoring.wave_sizes import wave_pictures
from steeldefect.scoring.waves import ScoredWave
from steeldefect.scoring.worker import Limits, TaskScorer, keys_of
from steeldefect.stores import open_store

QUICK = lease.Timing(beat=0.2, dead_after=1.0, look=0.05)
"""Timing of a lease that a process keeps, even if it shares two cores with others."""

OPTIONS = RuntimeOptions(RuntimeChoice.OPENVINO, precision=Precision.F32, batch_size=4, threads=1)


@contextmanager
def quick_leases(timing: lease.Timing = QUICK) -> Iterator[None]:
    """Let holders that are silent for a second count as dead, until the block ends."""
    with patch("steeldefect.publish.lease.hold", functools.partial(lease.hold, timing=timing)):
        yield


@functools.cache
def _opened(folder: Path) -> Detector:
    bundle = open_bundle(folder)
    return open_detector(bundle, OPTIONS, any_size=True)


@contextmanager
def _scored_waves(run: ScoringRun) -> Iterator[Iterator[ScoredWave]]:
    """Score each wave as one task in this process, with the code that Spark's workers run."""
    settings, detector = run.settings, _opened(run.bundle.folder)

    def scored(waves: Iterator[Wave]) -> Iterator[ScoredWave]:
        limits = Limits(
            settings.max_picture_bytes,
            DecodeLimits(settings.max_picture_pixels),
            settings.fetch_threads,
            settings.fetch_seconds,
            settings.max_store_failures,
            settings.max_tries,
        )
        request = run.request
        source = open_store(request.input_uri, settings.s3)
        output = open_store(request.output_uri, settings.s3)
        breaker = Breaker(limits.store_failures)
        fixed = (
            *(Opened(detector, run.origin), source, output),
            *(limits, breaker, Measuring.of(settings)),
        )
        beside = run.shadow
        shadow = beside and Opened(_opened(beside.bundle.folder), beside.origin)
        for number, wave in enumerate(waves, start=1):
            scorer = TaskScorer(*fixed, shadow)
            report = scorer.run(keys_of(wave.keys.to_batches()), f"{number:06d}-000000")
            yield ScoredWave(number, wave.keys, [report], wave.last)

    run._waves_began = time.monotonic()
    stated = settings.wave_pictures
    size = stated if isinstance(stated, int) else wave_pictures(1, None)
    yield scored(run.plan.waves(lambda: size))


def score_without_spark(arguments: Sequence[str]) -> int:
    """Run `jobs/score.py` without Spark, and return the exit code."""
    with patch.object(ScoringRun, "scored_waves", _scored_waves):
        return main(arguments)
