"""Run the models on a stream of pictures, in batches; threads prepare pictures ahead.

The tasks of a run use the same detector, so the verdicts are the same.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from steeldefect.api.picture_result import PictureResult, public_finding
from steeldefect.detection.detector import Detector
from steeldefect.detection.novelty import GateAnswer
from steeldefect.detection.outline import Outline
from steeldefect.detection.prepared import Prepared
from steeldefect.errors import HostError, InferenceError, PictureError, SettingsError
from steeldefect.pictures.preprocessing import Gray
from steeldefect.streams import in_batches, read_ahead
from steeldefect.tables.schema import Verdict

Picture = TypeVar("Picture")

_AHEAD = 8
"""Smallest number of pictures that are prepared ahead; with large batches it is two batches."""


class BatchFinder:
    """Opened models of one bundle that find defects in batches. Threads may share it."""

    def __init__(self, detector: Detector) -> None:
        """Take the opened models."""
        self._detector = detector
        self._models = threading.Lock()  # one call at a time: two would compete for the same cores

    def results(
        self,
        pictures: Iterable[Picture],
        read: Callable[[Picture], Gray],
        name: Callable[[Picture], str | None],
        threads: int,
    ) -> Iterator[PictureResult]:
        """Yield a result for each picture, in their order.

        Args:
            pictures: in any form that `read` takes.
            read: returns the pixels, uint8 (height, width); runs in threads.
            name: returns the name of the result.
            threads: number of threads that call `read`.

        Raises:
            SettingsError, TypeError: `read` raised it. Any other error of `read` becomes the
                result of its picture.
            DeviceError: the device does not have enough memory for one picture.
        """
        size = self._detector.engine.batch_size
        with ThreadPoolExecutor(threads, thread_name_prefix="read") as pool:
            prepared = read_ahead(
                pictures, lambda one: self._prepared(one, read), pool, max(_AHEAD, 2 * size)
            )
            for batch in in_batches(prepared, size):
                names = [name(picture) for picture, _ in batch]
                yield from self.results_of_batch(names, [ready for _, ready in batch])

    def prepared(self, picture: Gray) -> Prepared:
        """Return the inputs of the models for a picture, uint8 (height, width).

        Raises:
            PictureSizeError: the bundle does not score pictures of this size.
        """
        return self._detector.prepare(picture)

    def results_of_batch(
        self, names: list[str | None], batch: list[Prepared | PictureError]
    ) -> list[PictureResult]:
        """Return a result for each picture of one batch.

        Args:
            names: names of the results.
            batch: for each picture, the inputs of the models, or the error that prevents scoring.
        """
        pictures = [ready for ready in batch if isinstance(ready, Prepared)]
        with self._models:
            found = iter(self._detected(pictures))
        return [
            PictureResult(name, error=ready)
            if isinstance(ready, PictureError)
            else self._result(name, ready.shape, *next(found))
            for name, ready in zip(names, batch, strict=True)
        ]

    def _prepared(
        self, picture: Picture, read: Callable[[Picture], Gray]
    ) -> Prepared | PictureError:
        try:
            return self.prepared(read(picture))
        except (SettingsError, TypeError):
            raise
        except PictureError as error:
            return error
        except Exception as error:  # an unexpected error must not fail the other pictures
            return HostError(f"{type(error).__name__}: {error}")

    def _detected(
        self, pictures: list[Prepared]
    ) -> list[tuple[GateAnswer, Outline | PictureError | None]]:
        """Return the gate's answer and the outline of each picture; None if it was gated."""
        detector = self._detector
        judged = detector.judge(pictures)
        passes = detector.passes(*judged)
        passing = [picture for picture, ok in zip(pictures, passes, strict=True) if ok]
        answers = judged.probability[passes], judged.oddness[passes]
        segmented = iter(detector.segment(passing, *answers))
        detected: list[tuple[GateAnswer, Outline | PictureError | None]] = []
        for answer, ok in zip(judged.each(), passes.tolist(), strict=True):
            if detector.has_gate and math.isnan(answer.probability):
                detected.append((answer, InferenceError("the gate's answer is not finite")))
            else:
                detected.append((answer, next(segmented) if ok else None))
        return detected

    def _result(
        self,
        name: str | None,
        shape: tuple[int, int],
        answer: GateAnswer,
        found: Outline | PictureError | None,
    ) -> PictureResult:
        if isinstance(found, PictureError):
            return PictureResult(name, error=found)
        findings = found.findings if found else ()
        verdict = Verdict.GATED if found is None else Verdict.DEFECT if findings else Verdict.CLEAN
        height, width = shape
        return PictureResult(
            name,
            width,
            height,
            verdict.value,
            gate_probability=answer.probability if self._detector.has_gate else None,
            novelty=self._detector.novelty(answer.oddness),
            findings=tuple(public_finding(one, shape) for one in findings),
        )
