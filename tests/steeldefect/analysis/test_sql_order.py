"""Which row is the newest, and what readers see while a wave is being published."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from support.altered import publish_old
from support.examples import (
    BUNDLE,
    MORNING,
    Origin,
    failure,
    finish,
    image,
    origin,
    prediction,
    publish,
)

from steeldefect.analysis.sql import choose_bundle, kaggle_rows, open_database, query
from steeldefect.stores import Store
from steeldefect.tables.delta import Tables
from steeldefect.tables.schema import TableName

OTHER = "c" * 64


def run(number: int | None, hours: float, bundle: str = BUNDLE) -> Origin:
    """Return a run with a number, on a host whose clock is some hours after the morning's."""
    return Origin(f"run-{number}-{hours}", bundle, MORNING + timedelta(hours=hours), number)


def ask(store: Store, statement: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = query(store, statement).to_pylist()
    return found


def scored(key: str, etag: str, *classes: int) -> dict[TableName, list[dict[str, Any]]]:
    found = [prediction(key, class_id=one, run_lengths=f"{one} 3") for one in classes]
    picture = image(key, etag=etag, verdict="defect" if classes else "clean", defects=len(classes))
    return {TableName.IMAGES: [picture]} | ({TableName.PREDICTIONS: found} if found else {})


def test_the_later_run_wins_whatever_the_clocks_said(store: Store) -> None:
    fast, right = run(1, 5), run(2, 0)
    publish(store, scored("a", "before"), fast)
    publish(store, scored("a", "after", 2), right)
    finish(store, right)
    assert ask(store, "SELECT etag FROM newest_images") == [{"etag": "after"}]
    assert ask(store, "SELECT class_id FROM newest_predictions") == [{"class_id": 2}]
    assert kaggle_rows(store, None, all_pairs=False)["ClassId"].to_pylist() == [2]


def test_rows_without_a_number_are_older_than_all_others(store: Store) -> None:
    publish(store, scored("a", "numbered"), run(1, 0))
    publish(store, scored("a", "old"), run(None, 5))
    finish(store)
    assert ask(store, "SELECT etag FROM newest_images") == [{"etag": "numbered"}]


def test_rows_without_a_number_go_by_their_times(store: Store) -> None:
    publish(store, scored("a", "later"), run(None, 2))
    publish(store, scored("a", "earlier"), run(None, 1))
    finish(store)
    assert ask(store, "SELECT etag FROM newest_images") == [{"etag": "later"}]


@pytest.mark.parametrize(
    ("failed", "since", "open_still"),
    [
        (run(1, 5), run(2, 0), False),
        (run(2, 0), run(1, 5), True),
        (run(None, 5), run(1, 0), False),
        (run(1, 0), run(None, 5), True),
        (run(None, 0), run(None, 1), False),
        (run(None, 1), run(None, 0), True),
    ],
    ids=str,
)
def test_a_failure_is_over_when_a_later_run_scored_the_picture(
    store: Store, failed: Origin, since: Origin, open_still: bool
) -> None:
    publish(store, {TableName.QUARANTINE: [failure("a")]}, failed)
    publish(store, scored("a", "e1"), since)
    finish(store)
    assert bool(ask(store, "SELECT key FROM not_scored")) is open_still


def test_of_several_failures_the_latest_runs_counts(store: Store) -> None:
    publish(store, {TableName.QUARANTINE: [failure("a", stage="fetch")]}, run(1, 5))
    publish(store, {TableName.QUARANTINE: [failure("a", stage="decode")]}, run(2, 0))
    finish(store)
    assert ask(store, "SELECT stage FROM not_scored") == [{"stage": "decode"}]


def test_the_latest_bundle_is_the_latest_runs(store: Store) -> None:
    publish(store, scored("a", "e1"), run(1, 5, OTHER))
    publish(store, scored("b", "e1"), run(2, 0))
    publish(store, scored("c", "e1"), run(None, 9, "d" * 64))
    finish(store)
    with open_database(store) as database:
        assert choose_bundle(database, None) == BUNDLE


@pytest.mark.parametrize(
    ("row", "state"),
    [
        ({"transient": False, "tries": 1, "given_up": True}, "final"),
        ({"transient": False, "tries": None, "given_up": None}, "final"),
        ({"transient": True, "tries": 5, "given_up": True}, "given up, transient"),
        ({"transient": True, "tries": 2, "given_up": False}, "tried again by the next run"),
        ({"transient": True, "tries": None, "given_up": None}, "tried again by the next run"),
    ],
)
def test_what_becomes_of_a_picture_that_failed(
    store: Store, row: dict[str, Any], state: str
) -> None:
    publish(store, {TableName.QUARANTINE: [failure("a", **row)]})
    finish(store)
    assert ask(store, "SELECT state FROM not_scored") == [{"state": state}]


def test_tables_of_older_versions_are_read(store: Store) -> None:
    publish_old(store, scored("a", "old", 1), origin(0))
    publish_old(store, {TableName.QUARANTINE: [failure("x", transient=True)]}, origin(0))
    rows = ask(store, "SELECT etag, run_number FROM newest_images")
    assert rows == [{"etag": "old", "run_number": None}]
    assert ask(store, "SELECT class_id FROM newest_predictions") == [{"class_id": 1}]
    (failed,) = ask(store, "SELECT tries, given_up, state FROM not_scored")
    assert failed == {"tries": None, "given_up": None, "state": "tried again by the next run"}
    publish(store, scored("a", "new"), run(1, -5))
    assert ask(store, "SELECT etag FROM newest_images") == [{"etag": "new"}]


def test_no_picture_is_seen_without_its_findings(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    # a whole wave is published between any two tables that a reader opens
    publish(store, scored("first", "e1", 1), origin(0))
    finish(store)
    dataset, opened = Tables.dataset, []

    def and_publish(tables: Tables, table: TableName) -> Any:
        found = dataset(tables, table)
        opened.append(table)
        publish(store, scored(f"after {table.value}", "e1", 1), origin(len(opened)))
        return found

    monkeypatch.setattr(Tables, "dataset", and_publish)
    with open_database(store) as database:
        bare = database.sql(
            "SELECT key FROM newest_images ANTI JOIN newest_predictions USING (source, key, run_id)"
        ).fetchall()
        seen = database.sql("SELECT key FROM newest_images").fetchall()
    assert bare == []
    assert seen == [("first",)], "images are opened before all that they refer to"
    assert sorted(opened) == sorted(TableName)
