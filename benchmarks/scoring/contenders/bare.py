"""The limit: both models in one process on all cores, inputs ready in memory, masks not made.

Of two ways to use the cores, all of them for each call or calls on each of them, the one that is
faster on this machine counts.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle, islice
from pathlib import Path
from typing import NamedTuple

from benchmarks.scoring.contenders.task import (
    Answer,
    answered,
    open_task_detector,
    read_task,
    write_answers,
)
from benchmarks.scoring.material import LIMITS, keys_of
from steeldefect.detector import Detector, Prepared
from steeldefect.imaging import decode_gray
from steeldefect.streams import in_batches

_BATCH = 4
_TRIED = 40  # pictures on each core, to find the faster way


class _Ready(NamedTuple):
    path: str
    prepared: Prepared


def main() -> None:
    """Answer all pictures."""
    task = read_task()
    whole = [open_task_detector(task, task.cores)]
    split = [open_task_detector(task, 1) for _ in range(task.cores)]
    names = [str(task.pictures / key) for key in keys_of(task.pictures, 1)]
    ready = {Path(name).name[4:]: _prepared(whole[0], name) for name in names}
    tried = list(islice(cycle(_Ready(*item) for item in ready.items()), _TRIED * task.cores))
    detectors = min((whole, split), key=lambda one: min(_seconds(one, tried) for _ in range(2)))
    pictures = [_Ready(path, ready[Path(path).name[4:]]) for path in task.paths]
    write_answers(task, _answers(detectors, pictures))


def _prepared(detector: Detector, path: str) -> Prepared:
    return detector.prepare(decode_gray(Path(path).read_bytes(), LIMITS))


def _seconds(detectors: Sequence[Detector], pictures: Sequence[_Ready]) -> float:
    _answers(detectors, pictures[: _BATCH * len(detectors)])
    began = time.perf_counter()
    _answers(detectors, pictures)
    return time.perf_counter() - began


def _answers(detectors: Sequence[Detector], pictures: Sequence[_Ready]) -> list[Answer]:
    shares = [pictures[number :: len(detectors)] for number in range(len(detectors))]
    with ThreadPoolExecutor(len(detectors)) as pool:
        answers = pool.map(lambda pair: list(_score(*pair)), zip(detectors, shares, strict=True))
        return [answer for share in answers for answer in share]


def _score(detector: Detector, pictures: Iterable[_Ready]) -> Iterator[Answer]:
    """Answer with full batches of the segmenter, as the job does."""
    passed: list[_Ready] = []
    for batch in in_batches(pictures, _BATCH):
        passes = detector.passes(detector.gate([one.prepared for one in batch]))
        for one, ok in zip(batch, passes, strict=True):
            if ok:
                passed.append(one)
            else:
                yield answered(one.path, False)
        while len(passed) >= _BATCH:
            yield from _segmented(detector, passed[:_BATCH])
            del passed[:_BATCH]
    if passed:
        yield from _segmented(detector, passed)


def _segmented(detector: Detector, batch: Sequence[_Ready]) -> Iterator[Answer]:
    detector.maps([one.prepared for one in batch])
    for one in batch:
        yield answered(one.path, True)


if __name__ == "__main__":
    main()
