"""What a Spark task runs: keys come in, pictures are scored, files are written, a report goes out.

Pixels never cross into the JVM. Inside the task three things happen at once: threads fetch, decode
and resize ahead; the models run, one after the other, on all of the task's cores; a thread turns
their maps into masks and run lengths. The models wait for nothing but each other: on a CPU two of
them at once would only fight for the same cores. A picture that fails is a row of `quarantine`,
never a failed task.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import pyarrow as pa

from steeldefect.detection.detector import Detector, Finding, Prepared
from steeldefect.errors import InferenceError, SourceDownError
from steeldefect.pictures.decoding import DecodeLimits, decode_gray
from steeldefect.pictures.preprocessing import Float32
from steeldefect.plan.listing import LISTING
from steeldefect.scoring.fetching import Breaker, Fetcher, PictureKey
from steeldefect.scoring.task_report import TaskReport
from steeldefect.scoring.task_rows import Failure, TaskRows
from steeldefect.stopwatch import Stopwatch
from steeldefect.stores import Fetched, FetchLimits, Store
from steeldefect.streams import in_batches, read_ahead
from steeldefect.tables.provenance import Origin
from steeldefect.tables.schema import Stage

_READY = 8
"""Least number of pictures that may wait between two stages, however small a batch is."""


@dataclass(frozen=True)
class Limits:
    """What one picture may cost, and how often the store may fail.

    Attributes:
        max_bytes: larger files are refused.
        decode: larger pictures are refused.
        fetch_threads: of a task.
        fetch_seconds: from the request for a picture to its last byte.
        store_failures: pictures in a row that the store may not give before the run stops.
        max_tries: runs in which a picture may fail by others' fault before it is given up.
    """

    max_bytes: int
    decode: DecodeLimits
    fetch_threads: int
    fetch_seconds: float = 60.0
    store_failures: int = 8
    max_tries: int = 5


class _Ready(NamedTuple):
    """A picture as read, with its model inputs or why there are none."""

    key: PictureKey
    result: Prepared | Failure


class _Passed(NamedTuple):
    """A picture that goes to the segmenter; `probability` is the gate's, NaN without one."""

    key: PictureKey
    prepared: Prepared
    probability: float


class _Segmented(NamedTuple):
    """A picture with its class maps, float32 (h, w, classes)."""

    picture: _Passed
    maps: Float32


class TaskScorer:
    """Scores the pictures of one task and writes their rows."""

    def __init__(
        self,
        detector: Detector,
        source: Store,
        output: Store,
        origin: Origin,
        limits: Limits,
        breaker: Breaker | None = None,
    ) -> None:
        """Join everything a task needs.

        Args:
            detector: the opened models.
            source: where the pictures are.
            output: where rows go.
            origin: of the rows.
            limits: of a picture.
            breaker: what the process knows of the source; None for one of the task's own.
        """
        self._detector = detector
        fetch_limits = FetchLimits(limits.max_bytes, limits.fetch_seconds)
        self._fetcher = Fetcher(source, fetch_limits, breaker or Breaker(limits.store_failures))
        self._output = output
        self._origin = origin
        self._limits = limits
        self._batch_size = detector.engine.batch_size
        self._waiting = max(_READY, 2 * self._batch_size)  # pictures, between two stages
        self._rows = TaskRows(source.uri, detector.engine, limits.max_tries)
        self._watch = Stopwatch()

    def run(self, keys: Iterable[PictureKey], label: str) -> TaskReport:
        """Score all pictures and write the part files.

        Args:
            keys: the pictures, each once.
            label: wave and task, for the files' names.

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
            for (picture, _), found in outlined:
                self._note(picture, found)
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
    ) -> Iterator[tuple[PictureKey, Prepared]]:
        """Yield the pictures that could be prepared; the others go to quarantine."""
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
        """Turn bytes into model inputs. Every error but one concerns this picture alone."""
        stage, fetched = Stage.FETCH, None
        try:
            with self._watch.measure(stage.value):
                fetched = self._fetcher.fetch(key)
            stage = Stage.DECODE
            with self._watch.measure(stage.value):
                picture = decode_gray(fetched.data, self._limits.decode)
            stage = Stage.PREPARE
            with self._watch.measure(stage.value):
                return _Ready(key.as_read(fetched), self._detector.prepare(picture))
        except SourceDownError:
            raise
        except Exception as error:  # a surprise, too, must not fail the other pictures
            return self._failed(key, stage, fetched, error)

    def _failed(
        self, key: PictureKey, stage: Stage, fetched: Fetched | None, error: Exception
    ) -> _Ready:
        failure = Failure(stage, self._fetcher.blame(key, fetched, error))
        return _Ready(key if fetched is None else key.as_read(fetched), failure)

    # -- the models: in the task's own thread -----------------------------------------------------

    def _segmented(
        self, keys: Iterable[PictureKey], readers: ThreadPoolExecutor
    ) -> Iterator[_Segmented]:
        """Ask the models; yield what passes the gate with its maps, in full batches."""
        for passed in in_batches(self._passed(keys, readers), self._batch_size):
            with self._watch.measure("segment"):
                maps = self._detector.maps([picture.prepared for picture in passed])
            yield from map(_Segmented, passed, maps)

    def _passed(self, keys: Iterable[PictureKey], readers: ThreadPoolExecutor) -> Iterator[_Passed]:
        """Ask the gate; yield what passes, note what does not."""
        for batch in in_batches(self._prepared(keys, readers), self._batch_size):
            with self._watch.measure("gate"):
                probabilities = self._detector.gate([prepared for _, prepared in batch])
            passes = self._detector.passes(probabilities).tolist()
            for (key, prepared), probability, ok in zip(
                batch, probabilities.tolist(), passes, strict=True
            ):
                if self._detector.has_gate and math.isnan(probability):
                    error = InferenceError("the gate's answer is not finite")
                    self._rows.failed(key, Failure(Stage.GATE, error))
                elif ok:
                    yield _Passed(key, prepared, probability)
                else:
                    self._rows.gated(key, prepared.shape, probability)

    # -- masks and run lengths: in the outliner's thread ------------------------------------------

    def _outline(self, segmented: _Segmented) -> list[Finding] | InferenceError:
        picture, maps = segmented
        with self._watch.measure("outline"):
            return self._detector.outline(maps, picture.prepared.shape, picture.probability)

    def _note(self, picture: _Passed, found: list[Finding] | InferenceError) -> None:
        if isinstance(found, InferenceError):
            self._rows.failed(picture.key, Failure(Stage.SEGMENT, found))
            return
        probability = picture.probability if self._detector.has_gate else None
        self._rows.segmented(picture.key, picture.prepared.shape, probability, found)


def keys_of(batches: Iterable[pa.RecordBatch]) -> Iterator[PictureKey]:
    """Read planned pictures from the Arrow batches of a task.

    Args:
        batches: columns key, etag, size, and tries where the pictures come from a plan.
    """
    for batch in batches:
        columns = [batch.column(name).to_pylist() for name in LISTING.names]
        if "tries" in batch.schema.names:
            columns.append(batch.column("tries").to_pylist())
        yield from map(PictureKey, *columns)
