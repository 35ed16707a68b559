"""Score the pictures of one task: keys in, part files written, a report out.

Pixels never enter the JVM. Three things run at the same time: threads fetch, decode and resize
pictures ahead of the models; the models run one after the other on all of the task's cores; one
thread turns class maps into masks and run lengths. The models do not run in parallel, because on a
CPU they would compete for the same cores. A picture that fails becomes a row of `quarantine`, never
a failed task.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import pyarrow as pa

from steeldefect.detection.detector import Detector, Prepared
from steeldefect.detection.outline import Outline, OutlineRules
from steeldefect.errors import InferenceError, SourceDownError
from steeldefect.pictures.decoding import DecodeLimits, decode_gray
from steeldefect.pictures.preprocessing import Float32
from steeldefect.pictures.statistics import PictureStatistics, picture_statistics
from steeldefect.pictures.strip import Places, PlaceSettings
from steeldefect.plan.listing import LISTING
from steeldefect.scoring.fetching import Breaker, Fetcher, PictureKey
from steeldefect.scoring.gate_audit import is_audited
from steeldefect.scoring.task_report import TaskReport
from steeldefect.scoring.task_rows import Failure, Pictured, TaskRows
from steeldefect.settings import ScoreSettings
from steeldefect.stopwatch import Stopwatch
from steeldefect.stores import Fetched, FetchLimits, Store
from steeldefect.streams import in_batches, read_ahead
from steeldefect.tables.provenance import Origin
from steeldefect.tables.schema import Stage

_READY = 8
"""Pictures that may wait between two stages: this many, or two batches if that is more."""


@dataclass(frozen=True)
class Limits:
    """Limits for one picture, and for failures of the store.

    Attributes:
        max_bytes: largest file that is read, in bytes.
        decode: limits for decoding.
        fetch_threads: number of threads of a task that fetch and decode.
        fetch_seconds: longest time from the request for a picture to its last byte, in seconds.
        store_failures: number of pictures in a row that cannot be read after which the run stops.
        max_tries: number of runs with a transient failure after which a picture is given up.
    """

    max_bytes: int
    decode: DecodeLimits
    fetch_threads: int
    fetch_seconds: float = 60.0
    store_failures: int = 8
    max_tries: int = 5


@dataclass(frozen=True)
class Measuring:
    """How regions are measured, what is kept beside the defects, and what the audit takes.

    Attributes:
        strip: scale and place of the pictures.
        rejected_per_picture: largest number of removed regions of a picture that become rows.
        mask_levels: thresholds at which masks are kept as well.
        audit_share: share of the pictures stopped by the gate that are segmented all the same.
    """

    strip: PlaceSettings = field(default_factory=PlaceSettings)
    rejected_per_picture: int = 0
    mask_levels: tuple[float, ...] = ()
    audit_share: float = 0.0

    @classmethod
    def of(cls, settings: ScoreSettings) -> Measuring:
        """Return what the settings of a run ask for."""
        return cls(
            settings.strip,
            settings.rejected_per_picture,
            settings.mask_levels,
            settings.audit_share,
        )


class _Measured(NamedTuple):
    """The statistics and the model inputs of a picture."""

    statistics: PictureStatistics
    prepared: Prepared


class _Ready(NamedTuple):
    """A picture as read, with its statistics and model inputs, or its failure."""

    key: PictureKey
    result: _Measured | Failure


class _Passed(NamedTuple):
    """A picture that goes to the segmenter.

    Attributes:
        picture: the picture as read.
        prepared: its model inputs.
        probability: the gate's answer, or NaN without a gate.
        audit: whether the gate stopped the picture, and its audit chose it.
    """

    picture: Pictured
    prepared: Prepared
    probability: float
    audit: bool = False


class _Segmented(NamedTuple):
    """A picture with its class maps: float32 (h, w, classes)."""

    passed: _Passed
    maps: Float32


class TaskScorer:
    """Scorer of one task: it scores the pictures and writes their rows."""

    def __init__(
        self,
        detector: Detector,
        source: Store,
        output: Store,
        origin: Origin,
        limits: Limits,
        breaker: Breaker | None = None,
        measuring: Measuring | None = None,
    ) -> None:
        """Set everything that the task needs.

        Args:
            detector: the opened models.
            source: store of the pictures.
            output: store of the tables.
            origin: provenance of the rows.
            limits: limits for pictures and for failures of the store.
            breaker: the process's breaker for the source; None to use a new one.
            measuring: how regions are measured; None to measure them in pixels.
        """
        self._detector = detector
        fetch_limits = FetchLimits(limits.max_bytes, limits.fetch_seconds)
        self._fetcher = Fetcher(source, fetch_limits, breaker or Breaker(limits.store_failures))
        self._output = output
        self._origin = origin
        self._limits = limits
        self._batch_size = detector.engine.batch_size
        self._waiting = max(_READY, 2 * self._batch_size)  # pictures between two stages
        self._measuring = measuring or Measuring()
        strip = self._measuring.strip
        self._places = Places(strip)
        self._rows = TaskRows(source.uri, detector.engine, limits.max_tries, strip.along)
        self._watch = Stopwatch()

    def run(self, keys: Iterable[PictureKey], label: str) -> TaskReport:
        """Score all pictures and write the part files.

        Args:
            keys: the pictures, each one once.
            label: numbers of wave and task, for the names of files.

        Raises:
            StoreError: the output cannot be written.
            SourceDownError: the source does not answer.
        """
        with (
            ThreadPoolExecutor(self._limits.fetch_threads, "fetch") as readers,
            ThreadPoolExecutor(1, "outline") as outliner,
        ):
            segmented = self._segmented(keys, readers)
            outlined = read_ahead(segmented, self._outline, outliner, self._waiting)
            for (passed, _), outline in outlined:
                self._add(passed, outline)
        with self._watch.measure("write"):
            parts = self._rows.write(self._output, self._origin, label)
        return TaskReport(
            parts=parts,
            scored=self._rows.scored,
            quarantined=self._rows.quarantined,
            defective=self._rows.defective,
            failures=self._rows.failures,
            seconds=self._watch.elapsed,
            stage_seconds=self._watch.seconds,
        )

    # -- fetch, decode, resize: in the readers' threads -------------------------------------------

    def _prepared(
        self, keys: Iterable[PictureKey], readers: ThreadPoolExecutor
    ) -> Iterator[tuple[PictureKey, _Measured]]:
        """Yield the pictures that are ready for the models; the others go to quarantine."""
        ahead = self._limits.fetch_threads + self._waiting
        results = read_ahead(keys, self._fetch_and_prepare, readers, ahead)
        while True:
            with self._watch.measure("wait_for_pictures"):
                found = next(results, None)
            if found is None:
                return
            key, result = found[1]
            if isinstance(result, Failure):
                self._rows.failed(key, result)
            else:
                yield key, result

    def _fetch_and_prepare(self, key: PictureKey) -> _Ready:
        """Turn bytes into model inputs. All errors but `SourceDownError` concern this picture."""
        stage, fetched = Stage.FETCH, None
        try:
            with self._watch.measure(stage.value):
                fetched = self._fetcher.fetch(key)
            stage = Stage.DECODE
            with self._watch.measure(stage.value):
                picture = decode_gray(fetched.data, self._limits.decode)
            with self._watch.measure("statistics"):
                statistics = picture_statistics(picture)
            stage = Stage.PREPARE
            with self._watch.measure(stage.value):
                prepared = self._detector.prepare(picture)
            return _Ready(key.as_read(fetched), _Measured(statistics, prepared))
        except SourceDownError:
            raise
        except Exception as error:  # an unexpected error must not fail the other pictures
            return self._failed(key, stage, fetched, error)

    def _failed(
        self, key: PictureKey, stage: Stage, fetched: Fetched | None, error: Exception
    ) -> _Ready:
        failure = Failure(stage, self._fetcher.classify(key, fetched, error))
        return _Ready(key if fetched is None else key.as_read(fetched), failure)

    # -- the models: in the task's own thread -----------------------------------------------------

    def _segmented(
        self, keys: Iterable[PictureKey], readers: ThreadPoolExecutor
    ) -> Iterator[_Segmented]:
        """Run the models; yield the pictures that pass the gate with their class maps."""
        for passed in in_batches(self._passed(keys, readers), self._batch_size):
            with self._watch.measure("segment"):
                maps = self._detector.maps([one.prepared for one in passed])
            yield from map(_Segmented, passed, maps)

    def _passed(self, keys: Iterable[PictureKey], readers: ThreadPoolExecutor) -> Iterator[_Passed]:
        """Run the gate; yield the pictures that pass or are audited, add rows for the others."""
        for batch in in_batches(self._prepared(keys, readers), self._batch_size):
            with self._watch.measure("gate"):
                probabilities = self._detector.gate([one.prepared for _, one in batch])
            passes = self._detector.passes(probabilities).tolist()
            for (key, (statistics, prepared)), probability, ok in zip(
                batch, probabilities.tolist(), passes, strict=True
            ):
                if self._detector.has_gate and math.isnan(probability):
                    error = InferenceError("the gate's probability is not finite")
                    self._rows.failed(key, Failure(Stage.GATE, error))
                    continue
                place = self._places.of(key.key, key.place)
                picture = Pictured(key, prepared.shape, statistics, place)
                if ok or self._is_audited(key):
                    yield _Passed(picture, prepared, probability, audit=not ok)
                else:
                    self._rows.gated(picture, probability)

    def _is_audited(self, key: PictureKey) -> bool:
        return is_audited(self._origin.bundle, key.key, self._measuring.audit_share)

    # -- masks and run lengths: in the outliner's thread ------------------------------------------

    def _outline(self, segmented: _Segmented) -> Outline | InferenceError:
        (picture, _, probability, audit), maps = segmented
        rules = OutlineRules(measured=True, pixel_mm=picture.place.pixel_mm)
        if not audit:
            rules = replace(
                rules,
                rejected=self._measuring.rejected_per_picture,
                levels=self._measuring.mask_levels,
            )
        with self._watch.measure("outline"):
            return self._detector.outline(maps, picture.shape, probability, rules)

    def _add(self, passed: _Passed, outline: Outline | InferenceError) -> None:
        if passed.audit:
            # if the segmenter fails, the gate's verdict stands, and the picture is not audited
            audited = outline if isinstance(outline, Outline) else None
            self._rows.gated(passed.picture, passed.probability, audited)
            return
        if isinstance(outline, InferenceError):
            self._rows.failed(passed.picture.key, Failure(Stage.SEGMENT, outline))
            return
        probability = passed.probability if self._detector.has_gate else None
        self._rows.segmented(passed.picture, probability, outline)


def keys_of(batches: Iterable[pa.RecordBatch]) -> Iterator[PictureKey]:
    """Yield the planned pictures from the Arrow batches of a task.

    Args:
        batches: columns key, etag, size, place, and tries if the batches come from a plan.
    """
    for batch in batches:
        names = [name for name in (*LISTING.names, "tries") if name in batch.schema.names]
        columns = [batch.column(name).to_pylist() for name in names]
        for values in zip(*columns, strict=True):
            yield PictureKey(**dict(zip(names, values, strict=True)))
