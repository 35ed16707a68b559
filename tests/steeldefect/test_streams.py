"""The streams in a task: keys, work that runs ahead in threads, batches."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steeldefect.plan.listing import LISTING
from steeldefect.scoring.task_rows import PictureKey
from steeldefect.scoring.worker import keys_of
from steeldefect.streams import in_batches, read_ahead


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(), max_size=30), st.integers(0, 8), st.integers(1, 4))
def test_reading_ahead_keeps_the_order(items: list[int], depth: int, threads: int) -> None:
    with ThreadPoolExecutor(threads) as pool:
        done = list(read_ahead(items, lambda item: item * 2, pool, depth))
    assert done == [(item, item * 2) for item in items]


@pytest.mark.parametrize("depth", [0, 1, 5])
def test_reading_ahead_goes_just_so_far(depth: int) -> None:
    taken = 0

    def items() -> Iterator[int]:
        nonlocal taken
        for item in range(20):
            taken += 1
            yield item

    with ThreadPoolExecutor(2) as pool:
        for given_back, _ in enumerate(read_ahead(items(), str, pool, depth), start=1):
            assert taken <= given_back + depth


def test_reading_ahead_happens_in_threads() -> None:
    together = threading.Barrier(3)
    with ThreadPoolExecutor(3) as pool:
        done = list(read_ahead(range(3), lambda _: together.wait(timeout=10), pool, 3))
    assert len(done) == 3


def test_an_error_in_a_thread_comes_out_in_its_turn() -> None:
    def work(item: int) -> int:
        if item == 1:
            raise ZeroDivisionError
        time.sleep(0.01)
        return item

    with ThreadPoolExecutor(2) as pool:
        results = read_ahead(range(3), work, pool, 3)
        assert next(results) == (0, 0)
        with pytest.raises(ZeroDivisionError):
            next(results)


@pytest.mark.parametrize(
    ("count", "size", "expected"),
    [(0, 3, []), (1, 3, [1]), (3, 3, [3]), (7, 3, [3, 3, 1]), (2, 1, [1, 1])],
)
def test_in_batches(count: int, size: int, expected: list[int]) -> None:
    batches = list(in_batches(range(count), size))
    assert [len(batch) for batch in batches] == expected
    assert [item for batch in batches for item in batch] == list(range(count))


def test_keys_come_from_arrow_batches() -> None:
    table = pa.Table.from_pylist(
        [{"key": f"k{number}", "etag": "e", "size": number} for number in range(5)], LISTING
    )
    keys = list(keys_of(table.to_batches(max_chunksize=2)))
    assert keys == [PictureKey(f"k{number}", "e", number) for number in range(5)]
    assert list(keys_of([])) == []
