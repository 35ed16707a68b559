"""Run the bare models, the limit of speed: inputs ready in memory, no masks.

Several ways to use the cores are tried: one process per core with one thread each, or one process
with all cores, each with one, two or four pictures per call of a model. The fastest way on this
machine counts. (Threads of one process in place of processes are slower: they share one allocator
and one Python.)
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from itertools import cycle, islice
from multiprocessing import get_context
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
from steeldefect.scoring.threads import keep_freed_memory, limit_threads
from steeldefect.streams import in_batches

_BATCH_SIZES = (1, 2, 4)
_TRIED = 24  # pictures on each core, to find the fastest way
_TRIES = 3


class _Way(NamedTuple):
    """Processes that run at once, each with models of its own."""

    pool: ProcessPoolExecutor
    processes: int


class _Opened(NamedTuple):
    """What each process holds: models, pictures per call, and inputs by name of the picture."""

    detector: Detector
    batch_size: int
    ready: dict[str, Prepared]


_OPENED: list[_Opened] = []
"""The models of this process."""


def main() -> None:
    """Score all pictures of the task, and write the answers."""
    task = read_task()
    names = [key[4:] for key in keys_of(task.pictures, 1)]
    tried = list(islice(cycle(f"0000{name}" for name in names), _TRIED * task.cores))
    with ExitStack() as ended:
        ways = [
            _way(task, threads, size, ended)
            for threads in sorted({1, task.cores})
            for size in _BATCH_SIZES
        ]
        # all take turns, so that a machine that becomes slower becomes slower for all of them
        tries = [[_seconds(way, tried) for way in ways] for _ in range(_TRIES)]
        seconds = [min(of_way) for of_way in zip(*tries, strict=True)]
        fastest = ways[seconds.index(min(seconds))]
        for way in ways:
            if way is not fastest:
                way.pool.shutdown()
        write_answers(task, _answers(fastest, task.paths))


def _way(task: Task, threads: int, batch_size: int, ended: ExitStack) -> _Way:
    processes = task.cores // threads
    pool = ProcessPoolExecutor(
        processes, get_context("spawn"), initializer=_open, initargs=(task, threads, batch_size)
    )
    return _Way(ended.enter_context(pool), processes)


def _open(task: Task, threads: int, batch_size: int) -> None:
    keep_freed_memory()
    limit_threads(threads)
    detector = open_task_detector(task, threads, batch_size)
    ready = {
        key[4:]: detector.prepare(decode_gray((task.pictures / key).read_bytes(), LIMITS))
        for key in keys_of(task.pictures, 1)
    }
    _OPENED.append(_Opened(detector, batch_size, ready))


def _seconds(way: _Way, paths: Sequence[str]) -> float:
    _answers(way, paths[: 4 * way.processes])
    began = time.perf_counter()
    _answers(way, paths)
    return time.perf_counter() - began


def _answers(way: _Way, paths: Sequence[str]) -> list[Answer]:
    shares = [paths[number :: way.processes] for number in range(way.processes)]
    return [answer for share in way.pool.map(_scored, shares) for answer in share]


def _scored(paths: Sequence[str]) -> list[Answer]:
    (opened,) = _OPENED
    return list(_score(opened, paths))


def _score(opened: _Opened, paths: Iterable[str]) -> Iterator[Answer]:
    """Answer with full batches of the segmenter, as the job does."""
    detector, batch_size, ready = opened
    passed: list[str] = []
    for batch in in_batches(paths, batch_size):
        passes = detector.passes(detector.gate([ready[Path(path).name[4:]] for path in batch]))
        for path, ok in zip(batch, passes, strict=True):
            if ok:
                passed.append(path)
            else:
                yield answered(path, False)
        while len(passed) >= batch_size:
            yield from _segmented(opened, passed[:batch_size])
            del passed[:batch_size]
    if passed:
        yield from _segmented(opened, passed)


def _segmented(opened: _Opened, batch: Sequence[str]) -> Iterator[Answer]:
    opened.detector.maps([opened.ready[Path(path).name[4:]] for path in batch], lent=True)
    for path in batch:
        yield answered(path, True)


if __name__ == "__main__":
    main()
