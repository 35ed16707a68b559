"""Run work ahead in threads, and cut streams into batches."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def read_ahead(
    items: Iterable[Item], work: Callable[[Item], Result], pool: ThreadPoolExecutor, depth: int
) -> Iterator[tuple[Item, Result]]:
    """Run `work` in threads, at most `depth` items ahead of the consumer.

    Args:
        items: items to work on.
        work: function of one item.
        pool: threads that run `work`.
        depth: largest number of items whose work has started ahead of the consumer.

    Yields:
        Each item with its result, in the order of the items.
    """
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
    """Yield lists of `size` items; the last list may be shorter."""
    batch: list[Item] = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
