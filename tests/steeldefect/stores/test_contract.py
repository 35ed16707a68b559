"""The contract of all stores, tested on a folder and on an S3-compatible server."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest

from steeldefect.errors import AlreadyExistsError, StoreError, StoreUnavailableError
from steeldefect.stores import ObjectInfo, Store

ODD_KEYS = (
    "with space/and more.png",
    "Bräme/Übersicht 1600 ØÅ.png",
    "钢带/缺陷.png",
    "percent%20/100%.png",
    "plus+and&ampersand=equals?.png",
    "hash#1.png",
    "quote'double\"back\\slash.png",
    ".hidden/.file",
    "tilde~/star*.png",
    "bell\x07/tab\t and \x01.png",
    "carriage\rreturn\x7f.png",
    "not in XML \ufffe\uffff.png",
)


def keys(store: Store, prefix: str = "") -> list[str]:
    return sorted(found.key for found in store.scan(prefix))


def filled(store: Store) -> Store:
    for key in ("a.txt", "day1/a.png", "day1/b.png", "day10/a.png", "day2/line/1/a.png"):
        store.write(key, key.encode())
    return store


def test_what_is_written_is_read(any_store: Store) -> None:
    data = bytes(range(256)) * 1000
    any_store.write("deep/er/file.bin", data)
    assert any_store.read("deep/er/file.bin") == data
    any_store.write("empty", b"")
    assert any_store.read("empty") == b""


def test_writing_again_replaces(any_store: Store) -> None:
    any_store.write("key", b"first, and longer")
    any_store.write("key", b"second")
    assert any_store.read("key") == b"second"
    assert keys(any_store) == ["key"]


def test_write_new_writes_where_nothing_is_and_nowhere_else(any_store: Store) -> None:
    any_store.write_new("records/1.json", b"first")
    with pytest.raises(AlreadyExistsError, match=r"records/1\.json exists"):
        any_store.write_new("records/1.json", b"second")
    assert any_store.read("records/1.json") == b"first"
    assert keys(any_store) == ["records/1.json"]
    any_store.delete("records/1.json")
    any_store.write_new("records/1.json", b"third")
    assert any_store.read("records/1.json") == b"third"


def test_delete(any_store: Store) -> None:
    any_store.write("a/b", b"x")
    any_store.delete("a/b")
    assert keys(any_store) == []
    any_store.delete("a/b")  # a missing object is not an error
    any_store.delete("never/was")


def test_reading_what_is_not_there_is_an_error_that_names_it(any_store: Store) -> None:
    any_store.write("a", b"x")
    with pytest.raises(StoreError, match=r"none/such\.png") as caught:
        any_store.read("none/such.png")
    assert not isinstance(caught.value, StoreUnavailableError)
    assert any_store.uri in str(caught.value)


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        ("", ["a.txt", "day1/a.png", "day1/b.png", "day10/a.png", "day2/line/1/a.png"]),
        ("day1", ["day1/a.png", "day1/b.png", "day10/a.png"]),  # a prefix, not a folder
        ("day1/", ["day1/a.png", "day1/b.png"]),
        ("day1/a", ["day1/a.png"]),
        ("day2/l", ["day2/line/1/a.png"]),
        ("day2/line/1/a.png", ["day2/line/1/a.png"]),
        ("day3/", []),
        ("ay1", []),
    ],
)
def test_scan_finds_what_begins_with_the_prefix_at_any_depth(
    any_store: Store, prefix: str, expected: list[str]
) -> None:
    assert keys(filled(any_store), prefix) == expected


def test_nothing_to_scan_is_no_error(any_store: Store) -> None:
    assert list(any_store.scan()) == []
    assert list(any_store.scan("some/where/")) == []


def test_what_scan_tells_of_an_object(any_store: Store) -> None:
    any_store.write("a/b.png", b"12345")
    (found,) = any_store.scan()
    assert isinstance(found, ObjectInfo)
    assert found.key == "a/b.png"
    assert found.size == 5
    assert found.modified.tzinfo is not None
    assert abs(found.modified - datetime.now(UTC)) < timedelta(minutes=5)


def test_the_etag_changes_with_the_contents_and_only_then(any_store: Store) -> None:
    any_store.write("a", b"12345")
    any_store.write("b", b"other")
    first = {found.key: found.etag for found in any_store.scan()}
    assert {found.key: found.etag for found in any_store.scan()} == first
    any_store.write("a", b"54321")
    second = {found.key: found.etag for found in any_store.scan()}
    assert second["a"] != first["a"]
    assert second["b"] == first["b"]


@pytest.mark.parametrize("key", ODD_KEYS)
def test_keys_may_hold_any_character(any_store: Store, key: str) -> None:
    any_store.write(key, b"data")
    assert keys(any_store) == [key]
    assert keys(any_store, key) == [key]
    assert any_store.read(key) == b"data"
    with pytest.raises(AlreadyExistsError):
        any_store.write_new(key, b"other")
    any_store.delete(key)
    assert keys(any_store) == []


def test_readers_never_see_half_an_object(any_store: Store) -> None:
    versions = {bytes([number]) * 200_000 for number in range(4)}
    any_store.write("key", next(iter(versions)))
    stop = threading.Event()

    def rewrite() -> None:
        while not stop.is_set():
            for version in versions:
                any_store.write("key", version)

    writer = threading.Thread(target=rewrite)
    writer.start()
    try:
        seen = {any_store.read("key") for _ in range(60)}
    finally:
        stop.set()
        writer.join()
    assert seen <= versions


def test_folders_that_are_not_wanted_may_be_left_out(any_store: Store) -> None:
    filled(any_store)
    asked: list[str] = []

    def enters(folder: str) -> bool:
        asked.append(folder)
        return folder != "day2/line/"

    assert set(keys(any_store)) >= {found.key for found in any_store.scan(enters=enters)}
    assert {found.key for found in any_store.scan(enters=enters)} >= {"a.txt", "day1/a.png"}
    assert all(folder.endswith("/") for folder in asked)


def test_delta_finds_the_folder(any_store: Store) -> None:
    assert any_store.delta_uri("images") == f"{any_store.uri}/images"
    assert all(isinstance(value, str) for value in any_store.delta_options().values())
