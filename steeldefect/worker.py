"""What a Spark task runs: keys come in, pictures are scored, files are written, a report goes out.

Pixels never cross into the JVM. Inside the task, threads fetch, decode and resize ahead while the
models run. A picture that fails is a row of `quarantine`, never a failed task.
"""

from __future__ import annotations

import math
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
from pydantic import TypeAdapter

from steeldefect import rle
from steeldefect.detector import Detector, Finding, Prepared
from steeldefect.errors import (
    FetchError,
    FetchUnavailableError,
    InferenceError,
    PictureError,
    StoreError,
    Transient,
)
from steeldefect.imaging import DecodeLimits, decode_gray
from steeldefect.parts import Origin, Part, to_table, write_part
from steeldefect.runtimes import RuntimeOptions
from steeldefect.stores import Store
from steeldefect.tables import Stage, TableName, Verdict

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class PictureKey:
    """One planned picture."""

    key: str
    etag: str
    size: int


@dataclass(frozen=True)
class Limits:
    """What is refused before it costs anything, and how far ahead threads read."""

    max_bytes: int
    decode: DecodeLimits
    fetch_threads: int
    batch_size: int


@dataclass(frozen=True)
class Failure:
    """Why a picture was not scored."""

    stage: Stage
    error: Exception


@dataclass
class TaskReport:
    """What a task tells the driver: its files, and counts for progress and the run record."""

    parts: list[Part] = field(default_factory=list)
    scored: int = 0
    quarantined: int = 0
    defective: int = 0
    stage_seconds: dict[str, float] = field(default_factory=dict)


_REPORT = TypeAdapter(TaskReport)


def report_to_json(report: TaskReport) -> str:
    """Write a report as the text that crosses the JVM."""
    return _REPORT.dump_json(report).decode()


def report_from_json(text: str) -> TaskReport:
    """Read a report back."""
    return _REPORT.validate_json(text)


class TaskScorer:
    """Scores the pictures of one task and writes their rows."""

    def __init__(
        self,
        detector: Detector,
        options: RuntimeOptions,
        source: Store,
        output: Store,
        origin: Origin,
        limits: Limits,
    ) -> None:
        """Join everything a task needs; `options` must be resolved (no `auto`)."""
        self._detector = detector
        self._options = options
        self._source = source
        self._output = output
        self._origin = origin
        self._limits = limits
        self._rows: dict[TableName, list[dict[str, Any]]] = {
            TableName.IMAGES: [],
            TableName.PREDICTIONS: [],
            TableName.QUARANTINE: [],
        }
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._defective = 0

    def run(self, keys: Iterable[PictureKey], label: str) -> TaskReport:
        """Score all pictures and write the part files.

        Args:
            keys: the pictures, each once.
            label: wave and task, for the files' names.

        Raises:
            StoreError: the output cannot be written.
        """
        waiting: list[tuple[PictureKey, Prepared, float]] = []
        for batch in in_batches(self._prepared(keys), self._limits.batch_size):
            waiting += self._gate(batch)
            while len(waiting) >= self._limits.batch_size:
                self._segment(waiting[: self._limits.batch_size])
                waiting = waiting[self._limits.batch_size :]
        self._segment(waiting)
        return self._write(label)

    def _prepared(self, keys: Iterable[PictureKey]) -> Iterator[tuple[PictureKey, Prepared]]:
        """Yield the pictures that could be prepared; the others go to quarantine."""
        ahead = self._limits.fetch_threads + 2 * self._limits.batch_size
        with ThreadPoolExecutor(self._limits.fetch_threads, "fetch") as pool:
            results = read_ahead(keys, self._fetch_and_prepare, pool, ahead)
            while True:
                began = time.perf_counter()
                found = next(results, None)
                self._seconds["wait_for_pictures"] += time.perf_counter() - began
                if found is None:
                    return
                key, result = found
                if isinstance(result, Failure):
                    self._quarantine(key, result)
                else:
                    yield key, result

    def _fetch_and_prepare(self, key: PictureKey) -> Prepared | Failure:
        """Run in a thread: bytes to model inputs. Every error concerns this picture alone."""
        stage = Stage.FETCH
        try:
            data = self._fetch(key)
            stage = Stage.DECODE
            picture = decode_gray(data, self._limits.decode)
            stage = Stage.PREPARE
            return self._detector.prepare(picture)
        except PictureError as error:
            return Failure(stage, error)
        except Exception as error:  # a decoder's surprise must not fail the other pictures
            return Failure(stage, error)

    def _fetch(self, key: PictureKey) -> bytes:
        if key.size > self._limits.max_bytes:
            raise FetchError(
                f"too large: {key.size} bytes, at most {self._limits.max_bytes} are read"
            )
        try:
            return self._source.read(key.key)
        except StoreError as error:  # not the picture's fault, even where it is gone: try again
            raise FetchUnavailableError(str(error)) from None

    def _gate(
        self, batch: list[tuple[PictureKey, Prepared]]
    ) -> list[tuple[PictureKey, Prepared, float]]:
        """Ask the gate; give back what passes, note what does not."""
        began = time.perf_counter()
        probabilities = self._detector.gate([prepared for _, prepared in batch])
        passes = self._detector.passes(probabilities)
        self._seconds["gate"] += time.perf_counter() - began
        passing = []
        for (key, prepared), probability, ok in zip(
            batch, probabilities.tolist(), passes.tolist(), strict=True
        ):
            if self._detector.has_gate and math.isnan(probability):
                error = InferenceError("the gate's answer is not finite")
                self._quarantine(key, Failure(Stage.GATE, error))
            elif ok:
                passing.append((key, prepared, probability))
            else:
                self._image(key, prepared, probability, Verdict.GATED, defects=0)
        return passing

    def _segment(self, batch: list[tuple[PictureKey, Prepared, float]]) -> None:
        """Outline the defects of pictures that passed, and note them."""
        began = time.perf_counter()
        probabilities = np.array([probability for _, _, probability in batch], dtype=np.float32)
        answers = self._detector.segment([prepared for _, prepared, _ in batch], probabilities)
        self._seconds["segment"] += time.perf_counter() - began
        for (key, prepared, probability), answer in zip(batch, answers, strict=True):
            if isinstance(answer, InferenceError):
                self._quarantine(key, Failure(Stage.SEGMENT, answer))
                continue
            verdict = Verdict.DEFECT if answer else Verdict.CLEAN
            self._defective += verdict is Verdict.DEFECT
            self._image(key, prepared, probability, verdict, len(answer))
            self._rows[TableName.PREDICTIONS] += [
                self._picture(key) | _prediction(finding) for finding in answer
            ]

    def _image(
        self,
        key: PictureKey,
        prepared: Prepared,
        probability: float,
        verdict: Verdict,
        defects: int,
    ) -> None:
        height, width = prepared.shape
        self._rows[TableName.IMAGES].append(
            self._picture(key)
            | {
                "etag": key.etag,
                "bytes": key.size,
                "width": width,
                "height": height,
                "gate_probability": probability if self._detector.has_gate else None,
                "verdict": verdict.value,
                "defects": defects,
                "runtime": self._options.runtime.value,
                "device": self._options.device.value,
                "precision": self._options.precision.value,
            }
        )

    def _quarantine(self, key: PictureKey, failure: Failure) -> None:
        self._rows[TableName.QUARANTINE].append(
            self._picture(key)
            | {
                "etag": key.etag,
                "bytes": key.size,
                "stage": failure.stage.value,
                "error": type(failure.error).__name__,
                "message": str(failure.error),
                "transient": isinstance(failure.error, Transient),
            }
        )

    def _picture(self, key: PictureKey) -> dict[str, Any]:
        image_id = key.key.rsplit("/", 1)[-1]
        return {"source": self._source.uri, "key": key.key, "image_id": image_id}

    def _write(self, label: str) -> TaskReport:
        began = time.perf_counter()
        parts = [
            write_part(
                self._output, table, to_table(table, rows, self._origin), self._origin, label
            )
            for table, rows in self._rows.items()
            if rows
        ]
        self._seconds["write"] += time.perf_counter() - began
        return TaskReport(
            parts=parts,
            scored=len(self._rows[TableName.IMAGES]),
            quarantined=len(self._rows[TableName.QUARANTINE]),
            defective=self._defective,
            stage_seconds=dict(self._seconds),
        )


def read_ahead(
    items: Iterable[Item], work: Callable[[Item], Result], pool: ThreadPoolExecutor, depth: int
) -> Iterator[tuple[Item, Result]]:
    """Run `work` in threads for up to `depth` items in front of the one that is given back."""
    running: deque[tuple[Item, Future[Result]]] = deque()
    for item in items:
        running.append((item, pool.submit(work, item)))
        if len(running) > depth:
            done, future = running.popleft()
            yield done, future.result()
    while running:
        done, future = running.popleft()
        yield done, future.result()


def in_batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Cut a stream into lists of `size`; the last one may be shorter."""
    batch: list[Item] = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def keys_of(batches: Iterable[pa.RecordBatch]) -> Iterator[PictureKey]:
    """Read planned pictures from the Arrow batches of a task (columns key, etag, size)."""
    for batch in batches:
        columns = (batch.column(name).to_pylist() for name in ("key", "etag", "size"))
        yield from map(PictureKey, *columns)


def _prediction(finding: Finding) -> dict[str, Any]:
    return {
        "class_id": finding.defect_class.id,
        "class_name": finding.defect_class.name,
        "run_lengths": rle.to_text(finding.runs),
        "area": finding.area,
        "share": finding.share,
        "box_top": finding.box.top,
        "box_left": finding.box.left,
        "box_bottom": finding.box.bottom,
        "box_right": finding.box.right,
        "regions": finding.regions,
        "mean_probability": finding.mean_probability,
        "max_probability": finding.max_probability,
    }
