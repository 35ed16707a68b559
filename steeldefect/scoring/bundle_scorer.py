"""Score the pictures of a task with one bundle, batch by batch, and collect its rows.

A task has one of these for the bundle that leads, and one for its shadow, if there is one. Both get
the same pictures; nothing is fetched or decoded twice.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import NamedTuple, TypeVar

import numpy as np

from steeldefect.bundle.manifest import DefectClass
from steeldefect.detection.detector import Detector
from steeldefect.detection.novelty import GateAnswer
from steeldefect.detection.outline import Outline, OutlineRules
from steeldefect.detection.prepared import Prepared
from steeldefect.detection.windows import PictureMaps
from steeldefect.errors import InferenceError
from steeldefect.pictures.preprocessing import Float32, Resizer
from steeldefect.pictures.statistics import PictureStatistics
from steeldefect.pictures.strip import Place, PlaceSettings
from steeldefect.scoring.fetching import PictureKey
from steeldefect.scoring.gate_audit import is_audited
from steeldefect.scoring.task_report import TaskReport
from steeldefect.scoring.task_rows import Failure, Pictured, TaskRows
from steeldefect.settings import ScoreSettings
from steeldefect.stopwatch import Stopwatch
from steeldefect.stores import Store
from steeldefect.streams import in_batches
from steeldefect.tables.parts import Part
from steeldefect.tables.provenance import Origin
from steeldefect.tables.schema import Stage

Item = TypeVar("Item")


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


class Opened(NamedTuple):
    """The opened models of a bundle, and the provenance of the rows that they make."""

    detector: Detector
    origin: Origin


class Ready(NamedTuple):
    """A decoded picture: key, statistics, place, and one bundle's model inputs or their failure."""

    key: PictureKey
    statistics: PictureStatistics
    place: Place
    prepared: Prepared | Failure


class Passed(NamedTuple):
    """A picture that goes to the segmenter.

    Attributes:
        picture: the picture as read.
        prepared: its model inputs.
        answer: what the gate says; NaN without a gate.
        audit: whether the gate stopped the picture, and its audit chose it.
    """

    picture: Pictured
    prepared: Prepared
    answer: GateAnswer
    audit: bool = False


class Segmented(NamedTuple):
    """A picture with what the segmenter says: class maps that the next batch overwrites, or masks.

    Attributes:
        passed: the picture.
        maps: float32 (h, w, classes), or the answer of a GPU.
    """

    passed: Passed
    maps: Float32 | PictureMaps

    def kept(self) -> Segmented:
        """Return the same with class maps that nothing overwrites."""
        maps = self.maps
        return Segmented(self.passed, maps.copy() if isinstance(maps, np.ndarray) else maps)


class BundleScorer:
    """The models of one bundle, and the rows that they make of a task's pictures.

    Attributes:
        rows: the rows so far.
        batch_size: number of pictures that the models take at once.
        origin: provenance of the rows.
    """

    def __init__(
        self,
        opened: Opened,
        source_uri: str,
        max_tries: int,
        measuring: Measuring,
        stopwatch: Stopwatch,
        *,
        shadow: bool = False,
    ) -> None:
        """Set everything that the bundle's rows need.

        Args:
            opened: the opened models, and the provenance of their rows.
            source_uri: address of the pictures.
            max_tries: number of runs with a transient failure after which a picture is given up.
            measuring: how regions are measured.
            stopwatch: adds up the seconds of the stages.
            shadow: whether a fault of the models fails only their pictures, not the task.
        """
        detector, self.origin = opened
        self.batch_size = detector.engine.batch_size
        self.rows = TaskRows(source_uri, detector.engine, max_tries, measuring.strip.along)
        self._detector = detector
        self._measuring = measuring
        self._stopwatch = stopwatch
        self._shadow = shadow
        self._gate = detector.gate_stage()
        self._segmenter = detector.segmenter_stage(measuring.mask_levels)
        self._in_gate: deque[tuple[Pictured, Prepared]] = deque()
        self._waiting: list[Passed] = []
        self._in_segmenter: deque[Passed] = deque()

    @property
    def classes(self) -> Sequence[DefectClass]:
        """The classes that the bundle can find, the unknown included."""
        return self._detector.manifest.outlined_classes

    def prepare(
        self, resizer: Resizer, classify: Callable[[Exception], Exception]
    ) -> Prepared | Failure:
        """Return the model inputs of a picture, or why there are none. Any thread may call this.

        Args:
            resizer: the decoded picture; other bundles may share it.
            classify: returns the error to record for an error.
        """
        try:
            with self._stopwatch.measure(Stage.PREPARE.value):
                return self._detector.prepare_resized(resizer)
        except Exception as error:  # an unexpected error must not fail the other pictures
            return Failure(Stage.PREPARE, classify(error))

    def feed(self, pictures: Sequence[Ready]) -> Iterator[Segmented]:
        """Run the gate on pictures, and the segmenter as soon as a batch of them has passed.

        Args:
            pictures: at most `batch_size` pictures.

        Yields:
            The pictures that were segmented, in order; others wait for the next call, or for
            `flush`.
        """
        batch = list(self._prepared(pictures))
        if batch:
            self._in_gate += batch
            self._judge(partial(self._gate.push, [prepared for _, prepared in batch]))
        size = self._detector.segmenter_batch
        while len(self._waiting) >= size:
            passed, self._waiting = self._waiting[:size], self._waiting[size:]
            yield from self._segment(passed)

    def flush(self) -> Iterator[Segmented]:
        """Yield the pictures that still wait, segmented."""
        self._judge(self._gate.drain)
        for passed in in_batches(self._waiting, self._detector.segmenter_batch):
            yield from self._segment(passed)
        self._waiting = []
        yield from self._answered(self._segmenter.drain)

    def outline(self, segmented: Segmented) -> Outline | InferenceError:
        """Turn class maps into masks and regions. Any thread may call this."""
        (picture, _, answer, audit), maps = segmented
        rules = OutlineRules(measured=True, pixel_mm=picture.place.pixel_mm)
        if not audit:
            rules = replace(
                rules,
                rejected=self._measuring.rejected_per_picture,
                levels=self._measuring.mask_levels,
            )
        with self._stopwatch.measure("outline"):
            try:
                return self._detector.outline(maps, picture.shape, answer, rules)
            except Exception as error:
                return self._failed(error)

    def add(self, passed: Passed, outline: Outline | InferenceError) -> None:
        """Add the rows of a segmented picture."""
        probability, oddness = passed.answer
        novelty = self._detector.novelty(oddness)
        if passed.audit:
            # if the segmenter fails, the gate's verdict stands, and the picture is not audited
            audited = outline if isinstance(outline, Outline) else None
            self.rows.gated(passed.picture, probability, novelty, audited)
            return
        if isinstance(outline, InferenceError):
            self.rows.failed(passed.picture.key, Failure(Stage.SEGMENT, outline))
            return
        stated = probability if self._detector.has_gate else None
        self.rows.segmented(passed.picture, stated, novelty, outline)

    def report(self, parts: list[Part]) -> TaskReport:
        """Return the counts of all rows so far, with the files that hold them."""
        return TaskReport(
            parts=parts,
            scored=self.rows.scored,
            quarantined=self.rows.quarantined,
            defective=self.rows.defective,
            failures=self.rows.failures,
            seconds=self._stopwatch.elapsed,
            stage_seconds=self._stopwatch.seconds,
            engine=str(self._detector.engine),
        )

    def write(self, output: Store, label: str) -> list[Part]:
        """Write the rows to files; see `TaskRows.write`."""
        return self.rows.write(output, self.origin, label)

    def _judge(self, answer: Callable[[], Sequence[GateAnswer]]) -> None:
        """Run the gate; let pictures wait that pass or are audited, and add rows for the others."""
        with self._stopwatch.measure(Stage.GATE.value):
            answers = self._answer(answer)
        if isinstance(answers, InferenceError):
            for picture, _ in self._in_gate:
                self.rows.failed(picture.key, Failure(Stage.GATE, answers))
            self._in_gate.clear()
            return
        columns = np.array(answers, np.float32).reshape(len(answers), len(GateAnswer._fields))
        passes = self._detector.passes(columns[:, 0], columns[:, 1]).tolist()
        for one, ok in zip(answers, passes, strict=True):
            picture, prepared = self._in_gate.popleft()
            if self._detector.has_gate and math.isnan(one.probability):
                error = InferenceError("the gate's probability is not finite")
                self.rows.failed(picture.key, Failure(Stage.GATE, error))
            elif ok or self._is_audited(picture.key):
                self._waiting.append(Passed(picture, prepared, one, audit=not ok))
            else:
                self.rows.gated(picture, one.probability, self._detector.novelty(one.oddness))

    def _prepared(self, pictures: Sequence[Ready]) -> Iterator[tuple[Pictured, Prepared]]:
        """Yield the pictures that have model inputs; the others go to quarantine."""
        for key, statistics, place, prepared in pictures:
            if isinstance(prepared, Failure):
                self.rows.failed(key, prepared)
            else:
                yield Pictured(key, prepared.shape, statistics, place), prepared

    def _segment(self, batch: list[Passed]) -> list[Segmented]:
        """Run the segmenter on a batch; return the pictures whose answers are ready."""
        self._in_segmenter += batch
        return self._answered(partial(self._segmenter.push, [one.prepared for one in batch]))

    def _answered(self, answer: Callable[[], Sequence[Float32 | PictureMaps]]) -> list[Segmented]:
        with self._stopwatch.measure(Stage.SEGMENT.value):
            answers = self._answer(answer)
        if not isinstance(answers, InferenceError):
            return [Segmented(self._in_segmenter.popleft(), maps) for maps in answers]
        for passed in self._in_segmenter:
            self.add(passed, answers)
        self._in_segmenter.clear()
        return []

    def _answer(self, model: Callable[[], Sequence[Item]]) -> Sequence[Item] | InferenceError:
        """Run a model; an error of a shadow's model is returned instead of raised."""
        try:
            return model()
        except Exception as error:
            return self._failed(error)

    def _failed(self, error: Exception) -> InferenceError:
        """Return the error to record for a fault of a shadow; raise any other bundle's."""
        if not self._shadow:
            raise error
        return InferenceError(f"the shadow's model failed: {type(error).__name__}: {error}")

    def _is_audited(self, key: PictureKey) -> bool:
        return is_audited(self.origin.bundle, key.key, self._measuring.audit_share)
