"""The plan of a run: the listed pictures, without those that this bundle has dealt with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from support.examples import BUNDLE, failure, image, origin, publish

from steeldefect.errors import EmptyInputError, StoreError
from steeldefect.plan.listing import LISTING, list_pictures
from steeldefect.plan.plan import Plan, dealt_with
from steeldefect.plan.skipped import PLANNED
from steeldefect.settings import ScoreSettings
from steeldefect.stores import Store, open_store
from steeldefect.tables.delta import Tables
from steeldefect.tables.schema import TableName

SOURCE = "/archive"
ALL_KINDS = ScoreSettings().include


def listing(*keys: str, etag: str = "e1") -> pa.Table:
    rows = [{"key": key, "etag": etag, "size": 10} for key in keys]
    return pa.Table.from_pylist(rows, LISTING)


def keys(plan: Plan) -> list[str]:
    found: list[str] = plan.todo["key"].to_pylist()
    return found


def plan(
    listed: pa.Table,
    tables: Tables,
    source: str = SOURCE,
    bundle: str = BUNDLE,
    retry: bool = False,
    any_size: bool = False,
    max_tries: int = 5,
) -> Plan:
    settings = ScoreSettings(
        retry_quarantined=retry, any_picture_size=any_size, max_tries=max_tries
    )
    return dealt_with(tables, source, bundle, settings).plan(listed)


def test_pictures_are_listed_at_any_depth_with_their_versions(any_store: Store) -> None:
    for key in ("b.png", "line 1/2026/a.png", "line 1/2026/readme.txt"):
        any_store.write(key, b"12345")
    listed = list_pictures(any_store, ALL_KINDS)
    assert listed.schema == LISTING
    scanned = {found.key: found for found in any_store.scan()}
    assert {row["key"]: (row["etag"], row["size"]) for row in listed.to_pylist()} == {
        key: (scanned[key].etag, 5) for key in ("b.png", "line 1/2026/a.png")
    }


@pytest.mark.parametrize(
    ("include", "expected"),
    [
        (ALL_KINDS, ["a.JPG", "b.jpeg", "c.Png", "d.bmp", "sub/e.TIFF", "sub/f.tif"]),
        (["*.jpg"], ["a.JPG"]),
        (["*.JPG", "F.*"], ["a.JPG", "sub/f.tif"]),
        (["?.p[mn]g"], ["c.Png"]),
        (["sub/*"], None),  # patterns are of file names
        (["jpg"], None),
        (["*.jp"], None),
    ],
)
def test_patterns_of_file_names_in_any_case(
    store: Store, include: list[str], expected: list[str] | None
) -> None:
    names = (
        "a.JPG",
        "b.jpeg",
        "c.Png",
        "d.bmp",
        "sub/e.TIFF",
        "sub/f.tif",
        "g.txt",
        "jpg.csv",
        "h",
    )
    for name in names:
        store.write(name, b"x")
    if expected is None:
        with pytest.raises(EmptyInputError):
            list_pictures(store, include)
    else:
        assert sorted(list_pictures(store, include)["key"].to_pylist()) == expected


def test_an_input_without_pictures_is_an_error_that_says_what_was_looked_for(
    any_store: Store,
) -> None:
    any_store.write("notes.txt", b"x")
    with pytest.raises(EmptyInputError) as caught:
        list_pictures(any_store, ["*.jpg", "*.png"])
    assert f"no picture under {any_store.uri}" in str(caught.value)
    assert "looked for *.jpg, *.png, at any depth" in str(caught.value)


def test_an_input_that_is_no_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file.png").write_bytes(b"x")
    with pytest.raises(StoreError, match=r"file\.png: Not a directory"):
        list_pictures(open_store(str(tmp_path / "file.png")), ALL_KINDS)


def test_the_first_run_scores_everything_in_the_order_of_the_listing(tables: Tables) -> None:
    made = plan(listing("c", "a", "b"), tables)
    assert keys(made) == ["c", "a", "b"]
    assert (made.listed, made.skipped) == (3, 0)


def test_what_was_scored_is_left_out_and_the_order_kept(store: Store, tables: Tables) -> None:
    names = [f"{(number * 7) % 50:02d}" for number in range(50)]
    publish(store, {TableName.IMAGES: [image(name) for name in names[::3]]})
    made = plan(listing(*names), tables)
    assert keys(made) == [name for name in names if name not in names[::3]]
    assert made.todo.schema.names == PLANNED.names
    assert made.skipped == len(names[::3])
    first = {"key": names[1], "etag": "e1", "size": 10, "place": None, "tries": 0}
    assert made.todo.to_pylist()[0] == first


def test_a_second_run_has_nothing_to_do(store: Store, tables: Tables) -> None:
    publish(store, {TableName.IMAGES: [image("a"), image("b")]})
    made = plan(listing("a", "b"), tables)
    assert keys(made) == []
    assert (made.listed, made.skipped) == (2, 2)


def test_a_replaced_picture_is_scored_again(store: Store, tables: Tables) -> None:
    publish(store, {TableName.IMAGES: [image("a"), image("b")]})
    listed = pa.concat_tables([listing("a"), listing("b", etag="e2")])
    assert keys(plan(listed, tables)) == ["b"]
    publish(store, {TableName.IMAGES: [image("b", etag="e2")]}, origin(1))
    assert keys(plan(listed, tables)) == []
    assert keys(plan(listing("b", etag="e1"), tables)) == ["b"], "the newest row is of e2"


@pytest.mark.parametrize(
    ("source", "bundle"), [("/other", BUNDLE), (SOURCE, "c" * 64), ("/archive/", BUNDLE)]
)
def test_another_source_or_bundle_scores_for_itself(
    store: Store, tables: Tables, source: str, bundle: str
) -> None:
    publish(store, {TableName.IMAGES: [image("a")], TableName.QUARANTINE: [failure("b")]})
    assert keys(plan(listing("a", "b"), tables, source, bundle)) == ["a", "b"]


@pytest.mark.parametrize(
    ("transient", "retry", "again"),
    [(False, False, False), (True, False, True), (False, True, True), (True, True, True)],
)
def test_which_failures_are_tried_again(
    store: Store, tables: Tables, transient: bool, retry: bool, again: bool
) -> None:
    publish(store, {TableName.QUARANTINE: [failure("a", transient=transient)]})
    assert keys(plan(listing("a", "b"), tables, retry=retry)) == (["a", "b"] if again else ["b"])


def test_a_failed_picture_that_was_replaced_is_tried_again(store: Store, tables: Tables) -> None:
    publish(store, {TableName.QUARANTINE: [failure("a")]})
    assert keys(plan(listing("a", etag="e2"), tables)) == ["a"]


def test_a_picture_that_failed_for_a_while_and_then_for_good_is_left_out(
    store: Store, tables: Tables
) -> None:
    publish(store, {TableName.QUARANTINE: [failure("a", transient=True)]})
    publish(store, {TableName.QUARANTINE: [failure("a", transient=False)]}, origin(1))
    assert keys(plan(listing("a"), tables)) == []


def test_a_picture_that_was_scored_after_it_failed_is_left_out_even_on_retry(
    store: Store, tables: Tables
) -> None:
    publish(store, {TableName.QUARANTINE: [failure("a")]})
    publish(store, {TableName.IMAGES: [image("a")]}, origin(1))
    assert keys(plan(listing("a"), tables, retry=True)) == []


def test_a_hundred_thousand_pictures_are_planned(store: Store, tables: Tables) -> None:
    names = [f"line {number % 7}/strip-{number:06d}.png" for number in range(100_000)]
    columns = [names, ["e1"] * len(names), [10] * len(names), [None] * len(names)]
    listed = pa.table(columns, schema=LISTING)
    publish(store, {TableName.IMAGES: [image(name) for name in names[:20_000]]})
    made = plan(listed, tables)
    assert keys(made) == names[20_000:]


def test_a_picture_that_was_put_back_to_an_earlier_version_is_scored_again(
    store: Store, tables: Tables
) -> None:
    publish(store, {TableName.IMAGES: [image("a", etag="e1")]})
    publish(store, {TableName.IMAGES: [image("a", etag="e2")]}, origin(1))
    assert keys(plan(listing("a", etag="e2"), tables)) == []
    assert keys(plan(listing("a", etag="e1"), tables)) == ["a"]


@pytest.mark.parametrize(("any_size", "again"), [(False, []), (True, ["small"])])
def test_pictures_of_another_size_are_tried_again_when_any_size_is_wanted(
    store: Store, tables: Tables, any_size: bool, again: list[str]
) -> None:
    rows = [failure("small", error="PictureSizeError", stage="prepare"), failure("broken")]
    publish(store, {TableName.QUARANTINE: rows})
    made = plan(listing("small", "broken"), tables, any_size=any_size)
    assert keys(made) == again
    assert made.given_up == 2 - len(again)


def test_a_picture_that_others_made_fail_is_tried_again_until_its_budget_is_used_up(
    store: Store, tables: Tables
) -> None:
    for night in range(3):
        made = plan(listing("a", "b"), tables, max_tries=3)
        assert made.todo.to_pylist() == [
            {"key": "a", "etag": "e1", "size": 10, "place": None, "tries": night},
            {"key": "b", "etag": "e1", "size": 10, "place": None, "tries": 0},
        ]
        publish(store, {TableName.QUARANTINE: [failure("a", transient=True)]}, origin(night))
    made = plan(listing("a", "b"), tables, max_tries=3)
    assert (keys(made), made.given_up) == (["b"], 1)
    assert keys(plan(listing("a", etag="e2"), tables, max_tries=3)) == ["a"]
    again = plan(listing("a"), tables, max_tries=3, retry=True)
    assert again.todo["tries"].to_pylist() == [3]


@pytest.mark.parametrize(("etag", "again"), [("", []), ("e1", []), ("e2", ["a"])])
def test_a_picture_of_an_inventory_without_etags_equals_any_version(
    store: Store, tables: Tables, etag: str, again: list[str]
) -> None:
    publish(store, {TableName.IMAGES: [image("a", etag="e1")]})
    assert keys(plan(listing("a", etag=etag), tables)) == again


def test_a_row_without_an_etag_equals_any_version(store: Store, tables: Tables) -> None:
    publish(store, {TableName.IMAGES: [image("b", etag=""), image("c")]})
    listed = pa.concat_tables([listing("d", etag=""), listing("b", "c", "a"), listing("e")])
    assert keys(plan(listed, tables)) == ["d", "a", "e"]


def test_tries_are_counted_where_an_inventory_states_no_etags(store: Store, tables: Tables) -> None:
    """The row of a failure has the etag that the store stated."""
    bad = [failure("a", transient=True), failure("b", transient=True)]
    publish(store, {TableName.QUARANTINE: bad})
    publish(store, {TableName.QUARANTINE: [failure("a", transient=True)]}, origin(1))
    listed = pa.concat_tables([listing("c", "a", etag=""), listing("b"), listing("d", etag="")])
    made = plan(listed, tables)
    tries = {row["key"]: row["tries"] for row in made.todo.to_pylist()}
    assert tries == {"c": 0, "a": 2, "b": 1, "d": 0}
    assert keys(made) == ["c", "a", "b", "d"]
    assert keys(plan(listed, tables, max_tries=2)) == ["c", "b", "d"]


def test_a_failure_without_an_etag_does_not_bar_versions_that_are_known(
    store: Store, tables: Tables
) -> None:
    """The inventory stated no etag; the picture may have been replaced since."""
    publish(store, {TableName.QUARANTINE: [failure("a", etag="")]})
    assert keys(plan(listing("a", etag=""), tables)) == []
    assert keys(plan(listing("a", etag="e9"), tables)) == ["a"]


def test_the_number_of_the_run_decides_which_row_is_newest_not_the_clock(
    store: Store, tables: Tables
) -> None:
    fast, slow = replace(origin(9), run_number=1), replace(origin(0), run_number=2)
    publish(store, {TableName.IMAGES: [image("a", etag="e1")]}, fast)
    publish(store, {TableName.IMAGES: [image("a", etag="e2")]}, slow)
    assert keys(plan(listing("a", etag="e2"), tables)) == []
    assert keys(plan(listing("a", etag="e1"), tables)) == ["a"]


def test_rows_without_a_number_are_older_than_all_others(store: Store, tables: Tables) -> None:
    publish(store, {TableName.IMAGES: [image("a", etag="e2")]}, replace(origin(0), run_number=1))
    publish(store, {TableName.IMAGES: [image("a", etag="e1")]}, origin(9))
    assert keys(plan(listing("a", etag="e2"), tables)) == []
