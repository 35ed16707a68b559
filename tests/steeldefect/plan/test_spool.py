"""Rows on the disk between a thread that appends them and a thread that reads them."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pytest

from steeldefect.errors import StoreError
from steeldefect.plan.spool import Spool

SCHEMA = pa.schema([("number", pa.int64())])


def rows(*numbers: int) -> pa.Table:
    return pa.table({"number": numbers}, schema=SCHEMA)


def test_rows_come_back_in_their_order() -> None:
    spool = Spool(SCHEMA)
    for part in (rows(1, 2), rows(), rows(3)):
        spool.append(part)
    spool.end()
    assert spool.rows == 3
    for _ in range(2):  # it can be read again
        assert [table["number"].to_pylist() for table in spool.tables()] == [[1, 2], [3]]
    assert spool.whole() == rows(1, 2, 3)
    nothing = Spool(SCHEMA)
    nothing.end()
    assert nothing.whole() == rows()


def test_a_reader_gets_the_first_rows_before_the_last_ones_are_there() -> None:
    spool = Spool(SCHEMA)
    found = spool.tables()
    spool.append(rows(1))
    assert next(found) == rows(1)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(lambda: next(found))
        spool.append(rows(2))
        assert waiting.result(timeout=30) == rows(2)
        waiting = pool.submit(lambda: list(found))
        spool.end()
        assert waiting.result(timeout=30) == []


def test_an_error_follows_the_last_row() -> None:
    spool = Spool(SCHEMA)
    spool.append(rows(1))
    spool.end(StoreError("the store refused"))
    found = spool.tables()
    assert next(found) == rows(1)
    with pytest.raises(StoreError, match="the store refused"):
        next(found)


def test_a_reader_that_is_given_up_waits_no_longer() -> None:
    spool, given_up = Spool(SCHEMA), threading.Event()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(lambda: list(spool.tables(given_up.is_set)))
        given_up.set()
        assert waiting.result(timeout=30) == []
