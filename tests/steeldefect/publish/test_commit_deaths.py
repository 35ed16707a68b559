"""Publishing a wave: if the process dies at any step, all rows are there once, or none is."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable
from pydantic import TypeAdapter
from support.examples import (
    ORIGIN,
    WRITTEN,
    expected,
    one_of_each,
    origin,
    publish,
    records,
    recover,
    still_holds,
    visible,
    write,
)

from steeldefect.errors import AlreadyExistsError, OutputBusyError, TableError
from steeldefect.publish.commit import WaveLog
from steeldefect.publish.wave_records import RECORDS, WaveRecord, pending_records
from steeldefect.stores import ObjectInfo, Store, open_store
from steeldefect.tables.delta import Tables


class DiedError(BaseException):
    """The death of the process; no code may catch it."""


class MortalStore:
    """A store whose user dies at its n-th request: just before it, or just after it was served.

    Commits to the tables do not go through the store, but each commit first asks the store for the
    table's address. So there is a request between any two steps of a publication.
    """

    def __init__(self, inner: Store, dies_at: int, served: bool) -> None:
        self.uri = inner.uri
        self._inner = inner
        self._left = dies_at
        self._served = served

    def _request(self, serve: Callable[[], Any]) -> Any:
        self._left -= 1
        if self._left == 0 and not self._served:
            raise DiedError
        answer = serve()
        if self._left == 0:
            raise DiedError
        return answer

    def scan(self, prefix: str = "") -> Iterator[ObjectInfo]:
        found: list[ObjectInfo] = self._request(lambda: list(self._inner.scan(prefix)))
        return iter(found)

    def read(self, key: str) -> bytes:
        data: bytes = self._request(lambda: self._inner.read(key))
        return data

    def write(self, key: str, data: bytes) -> None:
        self._request(lambda: self._inner.write(key, data))

    def write_new(self, key: str, data: bytes) -> None:
        self._request(lambda: self._inner.write_new(key, data))

    def delete(self, key: str) -> None:
        self._request(lambda: self._inner.delete(key))

    def delta_uri(self, key: str) -> str:
        uri: str = self._request(lambda: self._inner.delta_uri(key))
        return uri

    def delta_options(self) -> dict[str, str]:
        options: dict[str, str] = self._request(self._inner.delta_options)
        return options


def dies(store: Store, record: WaveRecord, step: int, served: bool) -> bool:
    """Publish a record, and return whether the process died meanwhile."""
    try:
        WaveLog(Tables(MortalStore(store, step, served))).publish(record, still_holds)
    except DiedError:
        return True
    return False


@pytest.mark.parametrize("served", [False, True], ids=["before the request", "after it"])
@pytest.mark.parametrize("earlier", [[], ["early.png"]], ids=["first wave", "later wave"])
def test_a_death_at_any_step_doubles_nothing_and_loses_nothing(
    tmp_path: Path, served: bool, earlier: list[str]
) -> None:
    decided: list[bool] = []
    for step in range(1, 100):
        store = open_store(str(tmp_path / str(step)))
        for key in earlier:
            publish(store, one_of_each(key), ORIGIN, 1)
        record = WaveRecord(ORIGIN.run_id, 2, write(store, one_of_each("a.png")))
        all_of_it = expected(*earlier, "a.png")
        if not dies(store, record, step, served):
            assert visible(store) == all_of_it
            break
        decided.append(records(store) == [record.key] or visible(store) == all_of_it)
        assert recover(store) in ([], [record])
        assert visible(store) == (all_of_it if decided[-1] else expected(*earlier))
        assert recover(store) == pending_records(store) == []
    # the first request writes the record, and two or more lie before each table's commit
    assert decided == [served, *([True] * (len(decided) - 1))]
    assert 8 <= len(decided) < 99


@pytest.mark.slow
def test_a_death_during_recovery_is_recovered_from(tmp_path: Path) -> None:
    for step in range(1, 200):
        store = open_store(str(tmp_path / str(step)))
        for wave, key in enumerate(("a.png", "b.png"), start=1):
            record = WaveRecord(ORIGIN.run_id, wave, write(store, one_of_each(key)))
            with pytest.raises(DiedError):
                WaveLog(Tables(MortalStore(store, 1, served=True))).publish(record, still_holds)
        assert len(records(store)) == 2
        try:
            recover(MortalStore(store, step, served=False))
        except DiedError:
            recover(store)
            assert visible(store) == expected("a.png", "b.png")
            assert pending_records(store) == []
        else:
            assert visible(store) == expected("a.png", "b.png")
            return
    pytest.fail("the recovery never ended")


def test_what_was_decided_by_nobody_can_be_published_again(store: Store) -> None:
    parts = write(store, one_of_each())
    with pytest.raises(DiedError):
        WaveLog(Tables(MortalStore(store, 1, served=False))).publish(
            WaveRecord("dead", 1, parts), still_holds
        )
    assert recover(store) == []
    publish(store, one_of_each(), origin(1))
    assert visible(store) == expected("a.png")


def test_carrying_a_record_out_twice_changes_nothing(any_store: Store) -> None:
    record = publish(any_store, one_of_each())
    for _ in range(2):
        any_store.write(record.key, TypeAdapter(WaveRecord).dump_json(record))
        assert recover(any_store) == [record]
        assert visible(any_store) == expected("a.png")


def test_carrying_a_record_out_again_makes_no_new_version(store: Store) -> None:
    record = publish(store, one_of_each())
    before = {table: DeltaTable(store.delta_uri(table.value)).version() for table in WRITTEN}
    store.write(record.key, TypeAdapter(WaveRecord).dump_json(record))
    recover(store)
    after = {table: DeltaTable(store.delta_uri(table.value)).version() for table in WRITTEN}
    assert before == after


def test_an_earlier_wave_found_late_is_not_carried_out_again(store: Store) -> None:
    first = publish(store, one_of_each("1.png"), ORIGIN, 1)
    publish(store, one_of_each("2.png"), ORIGIN, 2)
    store.write(first.key, TypeAdapter(WaveRecord).dump_json(first))
    recover(store)
    assert visible(store) == expected("1.png", "2.png")


def test_records_are_carried_out_in_the_order_of_their_waves(store: Store) -> None:
    made = [
        WaveRecord(ORIGIN.run_id, wave, write(store, one_of_each(f"{wave}"))) for wave in (2, 10, 1)
    ]
    for record in made:
        store.write(record.key, TypeAdapter(WaveRecord).dump_json(record))
    assert [record.wave for record in recover(store)] == [1, 2, 10]
    assert visible(store) == expected("1", "2", "10")


def test_what_is_decided_but_maybe_not_yet_in_every_table_is_listed(any_store: Store) -> None:
    assert pending_records(any_store) == []
    for wave in (10, 2):
        record = WaveRecord("run", wave, write(any_store, one_of_each(f"{wave}")))
        any_store.write(record.key, TypeAdapter(WaveRecord).dump_json(record))
    any_store.write(f"{RECORDS}notes.txt", b"by hand")
    assert pending_records(any_store) == ["_waves/run-000002.json", "_waves/run-000010.json"]
    recover(any_store)
    assert pending_records(any_store) == []


def test_the_same_wave_of_the_same_run_is_decided_once(store: Store) -> None:
    first = WaveRecord(ORIGIN.run_id, 1, write(store, one_of_each("a.png")))
    second = WaveRecord(ORIGIN.run_id, 1, write(store, one_of_each("b.png")))
    with pytest.raises(DiedError):
        WaveLog(Tables(MortalStore(store, 1, served=True))).publish(first, still_holds)
    with pytest.raises(AlreadyExistsError):
        WaveLog(Tables(store)).publish(second, still_holds)
    recover(store)
    assert visible(store) == expected("a.png")


def test_two_that_recover_at_once_double_nothing(store: Store) -> None:
    record = WaveRecord(ORIGIN.run_id, 1, write(store, one_of_each()))
    Tables(store).create_all()
    store.write(record.key, TypeAdapter(WaveRecord).dump_json(record))
    ready = threading.Barrier(4)
    failures: list[Exception] = []

    def take_over(holder: int) -> None:
        ready.wait()
        try:
            WaveLog(Tables(store)).recover(holder)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=take_over, args=(holder,)) for holder in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    recover(store)
    assert visible(store) == expected("a.png")


@pytest.mark.parametrize("content", [b"", b"{}", b"not JSON", b'{"run_id": "r", "wave": "x"}'])
def test_a_record_that_is_none_is_named_and_nothing_lost(store: Store, content: bytes) -> None:
    publish(store, one_of_each())
    store.write(f"{RECORDS}odd.json", content)
    with pytest.raises(TableError, match=r"/_waves/odd\.json is not a wave record"):
        recover(store)
    assert visible(store) == expected("a.png")


class Lost:
    """A check that reports another run's takeover once the record is written."""

    def __init__(self) -> None:
        self._checks = 0

    def __call__(self) -> None:
        self._checks += 1
        if self._checks > 1:
            raise OutputBusyError("another run took over")


@pytest.mark.parametrize("seen", [True, False], ids=["seen by the next holder", "not seen"])
def test_a_record_that_arrives_at_a_takeover_is_completed_or_dropped(
    store: Store, seen: bool
) -> None:
    if not seen:
        WaveLog(Tables(store)).recover(2)  # lists the records before this one arrives
    record = WaveRecord("stalled", 1, write(store, one_of_each("a.png")), holder=1)
    with pytest.raises(OutputBusyError):
        WaveLog(Tables(store)).publish(record, Lost())
    assert visible(store) == expected()
    assert WaveLog(Tables(store)).recover(2 if seen else 3) == ([record] if seen else [])
    assert pending_records(store) == []
    assert visible(store) == (expected("a.png") if seen else expected())


def test_a_record_that_came_too_late_is_dropped(store: Store) -> None:
    """The writer of the record was displaced, and died before it could commit the record."""
    late = WaveRecord("stalled", 1, write(store, one_of_each("a.png")), holder=1)
    WaveLog(Tables(store)).recover(2)  # the next holder sees nothing, and scores the picture itself
    publish(store, one_of_each("a.png"), origin(1))
    with pytest.raises(DiedError):
        WaveLog(Tables(MortalStore(store, 1, served=True))).publish(late, Lost())
    assert len(pending_records(store)) == 1
    assert WaveLog(Tables(store)).recover(3) == []
    assert pending_records(store) == []
    assert visible(store) == expected("a.png")


def test_a_record_that_the_next_holder_finds_is_completed(store: Store) -> None:
    record = WaveRecord("dead", 1, write(store, one_of_each("a.png")), holder=4)
    WaveLog(Tables(store)).recover(4)
    with pytest.raises(DiedError):
        WaveLog(Tables(MortalStore(store, 1, served=True))).publish(record, still_holds)
    assert WaveLog(Tables(store)).recover(5) == [record]
    assert visible(store) == expected("a.png")


def test_other_files_beside_the_records_are_left_alone(store: Store) -> None:
    store.write(f"{RECORDS}notes.txt", b"by hand")
    assert recover(store) == []
    claimed = "_waves/claims/000000001.json"
    assert sorted(found.key for found in store.scan(RECORDS)) == [claimed, "_waves/notes.txt"]
