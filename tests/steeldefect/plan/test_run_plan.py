"""The plan of a run, made in a thread while the pictures are still being listed."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pyarrow as pa
import pytest
from support.examples import BUNDLE, failure, image, publish

from steeldefect.errors import StoreError
from steeldefect.plan.cut import Wave
from steeldefect.plan.listing import LISTING
from steeldefect.plan.plan import DealtWith, dealt_with, new_pictures
from steeldefect.plan.run_plan import Counts, RunPlan
from steeldefect.plan.shadow import shadow_part
from steeldefect.settings import ScoreSettings
from steeldefect.stopwatch import Stopwatch
from steeldefect.stores import Store
from steeldefect.tables.delta import Tables
from steeldefect.tables.schema import TableName

CANDIDATE = "c" * 64


def listing(*keys: str) -> pa.Table:
    rows = [{"key": key, "etag": "e1", "size": 10} for key in keys]
    return pa.Table.from_pylist(rows, LISTING)


def of(tables: Tables, bundle: str = BUNDLE) -> DealtWith:
    return dealt_with(tables, "/archive", bundle, ScoreSettings())


def keys(waves: Iterator[Wave]) -> list[list[str]]:
    return [wave.keys["key"].to_pylist() for wave in waves]


def planned(tables: Tables, *parts: pa.Table, shadow: DealtWith | None = None) -> RunPlan:
    plan = RunPlan(iter(parts))
    plan.start(of(tables), shadow, Stopwatch())
    assert plan.wait(patience=60).whole
    return plan


def test_the_parts_of_a_listing_are_planned_like_a_whole_one(store: Store, tables: Tables) -> None:
    publish(
        store,
        {
            TableName.IMAGES: [image("a"), image("d")],
            TableName.QUARANTINE: [failure("b"), failure("c", transient=True)],
        },
    )
    plan = planned(tables, listing("a", "b", "c"), listing("d"), listing("e", "f"))
    assert plan.counts == Counts(listed=6, todo=3, given_up=1, again=1, whole=True)
    assert plan.counts.skipped == 3
    assert keys(plan.waves(lambda: 10)) == [["e", "f"], ["c"]]
    assert keys(plan.waves(lambda: 1)) == [["e"], ["f"], ["c"]]
    assert plan.counts.waves(1) == 3
    assert plan.counts.waves(10) == 2


def test_pictures_that_failed_before_come_last_in_waves_of_their_own(
    store: Store, tables: Tables
) -> None:
    bad = [failure(name, transient=True) for name in ("a", "c")]
    publish(store, {TableName.QUARANTINE: bad})
    waves = list(planned(tables, listing("a", "b", "c", "d", "e")).waves(lambda: 2))
    assert keys(iter(waves)) == [["b"], ["d", "e"], ["a", "c"]]
    assert [new_pictures(wave.keys) for wave in waves] == [1, 2, 0]
    assert [wave.last for wave in waves] == [False, False, True]


def test_nothing_to_score_is_no_wave(store: Store, tables: Tables) -> None:
    publish(store, {TableName.IMAGES: [image("a"), image("b")]})
    plan = planned(tables, listing("a"), listing("b"))
    assert plan.counts == Counts(listed=2, whole=True)
    assert keys(plan.waves(lambda: 10)) == []
    assert plan.counts.waves(10) == 0


class SlowListing:
    """A listing whose second part comes when it is asked to go on."""

    def __init__(self, first: pa.Table, second: pa.Table | Exception) -> None:
        self._parts = (first, second)
        self.go_on = threading.Event()

    def __iter__(self) -> Iterator[pa.Table]:
        first, second = self._parts
        yield first
        assert self.go_on.wait(60)
        if isinstance(second, Exception):
            raise second
        yield second


def test_the_first_wave_is_there_before_the_listing_ends(tables: Tables) -> None:
    slow = SlowListing(listing("a", "b", "c", "d", "e"), listing("f"))
    plan = RunPlan(iter(slow))
    plan.start(of(tables), None, Stopwatch())
    assert plan.wait(patience=0) == Counts(listed=5, todo=5)
    waves = plan.waves(lambda: 2)
    first = next(waves)
    assert (first.keys["key"].to_pylist(), first.last) == (["a", "b"], False)
    slow.go_on.set()
    rest = list(waves)
    assert keys(iter(rest)) == [["c", "d"], ["e", "f"]]
    assert [wave.last for wave in rest] == [False, True]
    assert plan.wait(patience=60) == Counts(listed=6, todo=6, whole=True)


def test_the_first_part_may_have_nothing_to_score(store: Store, tables: Tables) -> None:
    publish(store, {TableName.IMAGES: [image("a")]})
    slow = SlowListing(listing("a"), listing("b"))
    plan = RunPlan(iter(slow))
    plan.start(of(tables), None, Stopwatch())
    threading.Timer(0.5, slow.go_on.set).start()
    assert plan.wait(patience=0).todo == 1


def test_a_listing_that_breaks_off_leaves_the_waves_before(tables: Tables) -> None:
    slow = SlowListing(listing("a", "b", "c", "d", "e"), StoreError("the store refused"))
    plan = RunPlan(iter(slow))
    plan.start(of(tables), None, Stopwatch())
    plan.wait(patience=0)
    slow.go_on.set()
    waves = plan.waves(lambda: 2)
    assert next(waves).keys["key"].to_pylist() == ["a", "b"]
    with pytest.raises(StoreError, match="the store refused"):
        keys(waves)
    assert not plan.counts.whole


def test_a_listing_that_breaks_off_at_once_is_an_error_before_any_wave(tables: Tables) -> None:
    slow = SlowListing(listing("a"), StoreError("the store refused"))
    slow.go_on.set()
    plan = RunPlan(iter(slow))
    plan.start(of(tables), None, Stopwatch())
    with pytest.raises(StoreError, match="the store refused"):
        plan.wait(patience=60)


def test_a_plan_that_is_closed_ends_its_thread(tables: Tables) -> None:
    def endless() -> Iterator[pa.Table]:
        while True:
            time.sleep(0.01)
            yield listing("a")

    plan = RunPlan(endless())
    plan.start(of(tables), None, Stopwatch())
    plan.wait(patience=0)
    plan.close()
    assert not any(one.name == "plan" for one in threading.enumerate())


def test_the_shadow_scores_what_it_has_not_dealt_with(store: Store, tables: Tables) -> None:
    publish(store, {TableName.IMAGES: [image("a")]})
    shadow = of(tables, CANDIDATE)
    plan = planned(tables, listing("a", "b"), listing("c"), shadow=shadow)
    assert plan.counts == Counts(listed=3, todo=2, beside=2, whole=True)
    (wave,) = plan.waves(lambda: 10)
    part = shadow_part(wave.keys)
    assert part is not None
    assert part["key"].to_pylist() == ["b", "c"]
    plan.drop_shadow()
    (wave,) = plan.waves(lambda: 10)
    assert shadow_part(wave.keys) is None


def test_a_shadow_has_its_own_tries(store: Store, tables: Tables) -> None:
    publish(store, {TableName.QUARANTINE: [failure("b", transient=True)]})
    plan = planned(tables, listing("a", "b"), shadow=of(tables, CANDIDATE))
    first, again = plan.waves(lambda: 10)
    assert first.keys["shadow_tries"].to_pylist() == [0]
    assert again.keys.select(["key", "tries", "shadow_tries"]).to_pylist() == [
        {"key": "b", "tries": 1, "shadow_tries": 0}
    ]
