"""Each task reads its share of a wave's keys."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from steeldefect.plan.listing import LISTING
from steeldefect.scoring.key_shares import Batches, shared
from steeldefect.spark.session import open_session

pytestmark = pytest.mark.spark


@pytest.fixture(scope="module")
def session() -> Iterator[SparkSession]:
    opened = open_session("shares")
    yield opened
    opened.stop()


def teller() -> Callable[[Batches], Batches]:
    """Return a function that returns a task's keys as one text; workers cannot import this file."""

    def tell(batches: Batches) -> Batches:
        keys = [key for batch in batches for key in batch.column("key").to_pylist()]
        yield pa.record_batch([[" ".join(keys)]], names=["keys"])

    return tell


@pytest.mark.parametrize("sizes", [[1], [2, 1, 3], [5, 0, 1], [1] * 12])
def test_every_task_takes_its_own_keys(session: SparkSession, sizes: list[int]) -> None:
    names = [f"line {number} ä.png" for number in range(sum(sizes))]
    rows = len(names) + 1
    everything = pa.table([["x", *names], ["e"] * rows, [1] * rows, [None] * rows], schema=LISTING)
    tasks = session.range(0, len(sizes), 1, len(sizes))
    with shared(session.sparkContext, everything.slice(1), sizes) as shares:
        told = tasks.mapInArrow(shares.by_task_number(teller()), "keys string").collect()
    expected, begin = [], 0
    for size in sizes:
        expected.append(" ".join(names[begin : begin + size]))
        begin += size
    assert [row["keys"] for row in told] == expected


def test_a_wave_that_fails_keeps_its_own_error(session: SparkSession) -> None:
    def fail() -> None:
        keys = pa.table([["a"], ["e"], [1], [None]], schema=LISTING)
        with shared(session.sparkContext, keys, [1]) as shares:
            shares.keys.destroy()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
