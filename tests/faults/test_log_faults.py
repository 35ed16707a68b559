"""Faults of the requests by which a table is opened: readers see all of its rows, or an error."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from support.fault_proxy import Fault, FaultProxy, Rule
from support.faulted_runs import environment_of
from support.nights import night
from support.s3_servers import Server

from steeldefect.errors import StoreError, TableError
from steeldefect.stores import S3Settings, Store, open_store
from steeldefect.tables.data_files import data_files
from steeldefect.tables.delta import Tables
from steeldefect.tables.schema import TableName
from steeldefect.upkeep.health import check_tables
from steeldefect.upkeep.orphans import find_orphans

KEYS = ["one-1.png", "two-2.png", "one-3.png"]
NIGHTS = len(KEYS)  # each scores one picture
LOG = r"/tables/images/_delta_log/"
PLACES = {
    "the listing": r"prefix=tables/images/_delta_log/",
    "the first entry": rf"{LOG}0+\.json",
    "an entry": rf"{LOG}0*1\.json",
    "the newest entry": rf"{LOG}0*{NIGHTS}\.json",
    "all entries": rf"{LOG}\d+\.json",
    "the hint": rf"{LOG}_last_checkpoint",
    "the checkpoint": rf"{LOG}.*checkpoint\.parquet",
}
WRONG = [
    *(Fault.NOT_FOUND, Fault.ACKNOWLEDGED, Fault.SHORTENED),
    *(Fault.WRONG_ETAG, Fault.PAGE, Fault.EMPTY),
]
"""Kinds of faults in which something answers, but not what the store holds."""
TIMES = (1, None)
"""A fault is met once, or always."""


@pytest.fixture(scope="module", params=[False, True], ids=["entries", "checkpoint"])
def bucket(moto: Server, request: pytest.FixtureRequest) -> Iterator[str]:
    """A bucket with the tables of three nights, without or with a checkpoint after the second."""
    with environment_of(moto):
        name = f"logs-{'checkpoint' if request.param else 'entries'}"
        moto.client().create_bucket(Bucket=name)
        store = open_store(f"s3://{name}/tables", S3Settings(endpoint_url=moto.endpoint))
        for number in range(1, NIGHTS + 1):
            night(store, KEYS[:number], number)
            if request.param and number == 2:
                delta = Tables(store).open(TableName.IMAGES)
                assert delta is not None
                delta.create_checkpoint()
        yield name


@pytest.fixture
def store(moto: Server, bucket: str, proxy: FaultProxy) -> Iterator[Store]:
    """The tables, through the proxy."""
    with environment_of(moto):
        settings = S3Settings(endpoint_url=proxy.endpoint, max_attempts=1, read_timeout_seconds=1)
        yield open_store(f"s3://{bucket}/tables", settings)


# the quick tests have half of the cases; of each two of these, only one value differs
CASES = [
    pytest.param(
        *(kind, place, times),
        marks=() if sum(numbers) % 2 == 0 else pytest.mark.slow,
        id=f"{kind.name}-{place}-{'always' if times is None else 'once'}",
    )
    for numbers, (kind, place, times) in zip(
        product(*(range(len(values)) for values in (WRONG, PLACES, TIMES))),
        product(WRONG, PLACES, TIMES),
        strict=True,
    )
]


@pytest.mark.parametrize(("kind", "place", "times"), CASES)
def test_no_reader_misses_rows(
    kind: Fault, place: str, times: int | None, store: Store, proxy: FaultProxy
) -> None:
    tables, table = Tables(store), TableName.IMAGES

    def inject() -> None:
        proxy.inject(Rule(kind, "GET", PLACES[place], times=times))

    inject()
    with suppress(StoreError, TableError):
        keys = tables.read(table, ["key"])["key"].to_pylist()
        assert sorted(keys) == sorted(KEYS)
    inject()
    with suppress(StoreError, TableError):
        delta = tables.open(table)
        assert delta is not None
        assert len(data_files(store, table, delta)) == NIGHTS


@pytest.mark.parametrize("place", ["an entry", "the newest entry", "all entries"])
@pytest.mark.parametrize("kind", [Fault.EMPTY, Fault.ACKNOWLEDGED], ids=lambda kind: kind.name)
def test_rows_that_the_delta_library_misses_are_no_orphans_and_no_damage(
    kind: Fault, place: str, store: Store, proxy: FaultProxy
) -> None:
    proxy.inject(Rule(kind, "GET", PLACES[place]))
    later = datetime.now(UTC) + timedelta(days=400)
    with suppress(StoreError, TableError):
        assert find_orphans(store, Tables(store), later, timedelta(0)) == []
    with suppress(StoreError):
        assert check_tables(store) == []
