"""Run the bare models, the limit of speed: one process, inputs ready in memory, no masks.

Several ways to use the cores are tried: one call on all cores, or one call per core, each with
one or four pictures per call. The fastest way on this machine counts.
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
    Task,
    answered,
    open_task_detector,
    read_task,
    write_answers,
)
from benchmarks.scoring.material import LIMITS, keys_of
from steeldefect.detection.detector import Detector, Prepared
from steeldefect.pictures.decoding import decode_gray
from steeldefect.streams import in_batches

_BATCH_SIZES = (1, 4)
_TRIED = 24  # pictures on each core, to find the fastest way
_TRIES = 3


class _Ready(NamedTuple):
    path: str
    prepared: Prepared


class _Way(NamedTuple):
    """Detectors that run at once, and the number of pictures per call of their models."""

    detectors: list[Detector]
    batch_size: int


def main() -> None:
    """Score all pictures of the task, and write the answers."""
    task = read_task()
    ways = [_way(task, threads, size) for threads in {1, task.cores} for size in _BATCH_SIZES]
    names = [str(task.pictures / key) for key in keys_of(task.pictures, 1)]
    ready = {Path(name).name[4:]: _prepared(ways[0].detectors[0], name) for name in names}
    tried = list(islice(cycle(_Ready(*item) for item in ready.items()), _TRIED * task.cores))
    # all ways take turns, so that a machine that becomes slower becomes slower for all of them
    tries = [[_seconds(way, tried) for way in ways] for _ in range(_TRIES)]
    seconds = [min(of_way) for of_way in zip(*tries, strict=True)]
    fastest = ways[seconds.index(min(seconds))]
    pictures = [_Ready(path, ready[Path(path).name[4:]]) for path in task.paths]
    write_answers(task, _answers(fastest, pictures))


def _way(task: Task, threads: int, batch_size: int) -> _Way:
    at_once = task.cores // threads
    detectors = [open_task_detector(task, threads, batch_size) for _ in range(at_once)]
    return _Way(detectors, batch_size)


def _prepared(detector: Detector, path: str) -> Prepared:
    return detector.prepare(decode_gray(Path(path).read_bytes(), LIMITS))


def _seconds(way: _Way, pictures: Sequence[_Ready]) -> float:
    _answers(way, pictures[: way.batch_size * len(way.detectors)])
    began = time.perf_counter()
    _answers(way, pictures)
    return time.perf_counter() - began


def _answers(way: _Way, pictures: Sequence[_Ready]) -> list[Answer]:
    at_once = len(way.detectors)
    shares = [pictures[number::at_once] for number in range(at_once)]

    def score(detector: Detector, share: Sequence[_Ready]) -> list[Answer]:
        return list(_score(detector, share, way.batch_size))

    with ThreadPoolExecutor(at_once) as pool:
        return [answer for share in pool.map(score, way.detectors, shares) for answer in share]


def _score(detector: Detector, pictures: Iterable[_Ready], batch_size: int) -> Iterator[Answer]:
    """Answer with full batches of the segmenter, as the job does."""
    passed: list[_Ready] = []
    for batch in in_batches(pictures, batch_size):
        passes = detector.passes(detector.gate([one.prepared for one in batch]))
        for one, ok in zip(batch, passes, strict=True):
            if ok:
                passed.append(one)
            else:
                yield answered(one.path, False)
        while len(passed) >= batch_size:
            yield from _segmented(detector, passed[:batch_size])
            del passed[:batch_size]
    if passed:
        yield from _segmented(detector, passed)


def _segmented(detector: Detector, batch: Sequence[_Ready]) -> Iterator[Answer]:
    detector.maps([one.prepared for one in batch], lent=True)
    for one in batch:
        yield answered(one.path, True)


if __name__ == "__main__":
    main()
