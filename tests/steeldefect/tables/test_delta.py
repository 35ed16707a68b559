"""Commits to the tables: recognised when they are tried again, and of one schema version."""

from __future__ import annotations

import pytest
from deltalake.exceptions import CommitFailedError
from support.examples import ORIGIN, expected, image, one_of_each, visible, write
from tenacity import wait_none

from steeldefect.errors import StoreUnavailableError, TableError
from steeldefect.stores import Store
from steeldefect.tables import delta, schema
from steeldefect.tables.commits import add_action, named_commit
from steeldefect.tables.delta import Tables
from steeldefect.tables.schema import TableName


def test_a_commit_that_arrived_is_recognised_when_it_is_tried_again(any_store: Store) -> None:
    (part,) = write(any_store, {TableName.IMAGES: [image()]})
    for _ in range(3):
        Tables(any_store).add(TableName.IMAGES, [part], "run", 1)
    assert visible(any_store)[TableName.IMAGES] == ["a.png"]


def test_two_that_opened_the_table_before_either_committed(store: Store) -> None:
    """The model of the protocol (`protocol_model.OpenedLog`) relies on this."""
    parts = write(store, one_of_each())
    Tables(store).create_all()
    first, second = (Tables(store).open(TableName.IMAGES) for _ in range(2))
    assert first is not None
    assert second is not None

    def commit(opened: object, name: str) -> None:
        opened.create_write_transaction(  # type: ignore[attr-defined]
            [add_action(parts[0])],
            mode="append",
            schema=opened.schema(),  # type: ignore[attr-defined]
            partition_by=["scored_date"],
            commit_properties=named_commit(name, 1),
        )

    commit(first, "run")
    with pytest.raises(CommitFailedError):
        commit(second, "run")
    commit(second, "another run")
    again = Tables(store).open(TableName.IMAGES)
    assert again is not None
    assert (again.transaction_version("run"), again.transaction_version("another run")) == (1, 1)


def test_a_commit_whose_answer_is_lost_is_made_once(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = write(store, one_of_each())
    lost = iter([True, False])
    committed = delta.DeltaTable.create_write_transaction

    def losing(*args: object, **how: object) -> None:
        committed(*args, **how)
        if next(lost):
            raise OSError("connection reset by peer")

    monkeypatch.setattr(delta.DeltaTable, "create_write_transaction", losing)
    Tables(store).add(TableName.IMAGES, parts[:1], "run", 1)
    assert visible(store)[TableName.IMAGES] == expected("a.png")[TableName.IMAGES]


def test_a_store_that_stays_away_is_an_error_that_may_pass(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = write(store, one_of_each())
    monkeypatch.setattr(delta, "_BACKOFF", wait_none())
    tries = []

    def away(*args: object, **how: object) -> None:
        tries.append(how)
        raise OSError("connection reset by peer")

    monkeypatch.setattr(delta.DeltaTable, "create_write_transaction", away)
    with pytest.raises(StoreUnavailableError, match="connection reset by peer; check the store"):
        Tables(store).add(TableName.IMAGES, parts[:1], "run", 1)
    assert len(tries) == 5


def test_tables_of_a_newer_version_are_refused(
    any_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = schema.SCHEMA_VERSION
    monkeypatch.setattr(delta, "SCHEMA_VERSION", ours + 1)
    Tables(any_store).create_all()
    monkeypatch.setattr(delta, "SCHEMA_VERSION", ours)
    refused = rf"has schema version {ours + 1}; this program knows .* to {ours}"
    for work in (
        lambda one: one.open(TableName.IMAGES),
        lambda one: one.read(TableName.IMAGES),
        lambda one: one.add(TableName.IMAGES, [], "run", 1),
        lambda one: one.create_all(),
    ):
        with pytest.raises(TableError, match=refused):
            work(Tables(any_store))


def test_rows_that_were_removed_are_gone_and_the_others_stay(store: Store) -> None:
    for number, key in enumerate("ab"):
        parts = write(store, {TableName.IMAGES: [image(key)]}, ORIGIN)
        Tables(store).add(TableName.IMAGES, parts, "run", number + 1)
    opened = Tables(store).open(TableName.IMAGES)
    assert opened is not None
    assert opened.version() == 2
