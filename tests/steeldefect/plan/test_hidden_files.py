"""Which files of an archive are pictures: hidden files and pipes are not, and a warning says so."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from steeldefect.errors import EmptyInputError
from steeldefect.plan.inventory import read_inventory
from steeldefect.plan.listing import HIDDEN, list_pictures
from steeldefect.settings import ScoreSettings
from steeldefect.stores import S3Settings, Store, open_store

INCLUDE = ScoreSettings().include
PICTURES = (
    "a.jpg",
    "line 1/b.JPG",
    "line 1/@eaDirs/c.png",
    "snapshot/d.png",
    "e/.hidden-not.txt/.x",
)
PASSED_OVER = (
    ".e.jpg",
    "._a.jpg",
    "line 1/._b.JPG",
    "line 1/@eaDir/b.JPG/SYNOPHOTO_THUMB_M.jpg",
    "@EADIR/x.jpg",
    ".snapshot/daily.0/a.jpg",
    ".snapshot/daily.0/line 1/b.JPG",
    ".Trash-1000/files/a.jpg",
    "line 1/#recycle/old.png",
    "$RECYCLE.BIN/S-1-5/a.jpg",
    "System Volume Information/a.jpg",
    "__MACOSX/line 1/a.jpg",
    "lost+found/#123.png",
)
NO_PICTURES = ("Thumbs.db", "line 1/.DS_Store", ".git/config")
TOLD = "passed over 3 hidden files and {} hidden folders under {}, such as "


@pytest.fixture
def filled(any_store: Store) -> Store:
    for key in (*PICTURES, *PASSED_OVER, *NO_PICTURES):
        any_store.write(key, b"12345")
    return any_store


def listed(store: Store, *more: tuple[str, ...]) -> list[str]:
    keys: list[str] = list_pictures(store, INCLUDE, *more)["key"].to_pylist()
    return sorted(keys)


def test_hidden_files_and_folders_are_passed_over_and_counted(
    filled: Store, caplog: pytest.LogCaptureFixture
) -> None:
    assert listed(filled) == sorted(PICTURES[:4])
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    # a folder store counts a hidden folder without looking whether pictures are in it
    folders = 9 if filled.uri.startswith("s3://") else 11
    assert TOLD.format(folders, filled.uri) in record.message
    assert record.message.endswith("; --set exclude=[] scores them as well")


def test_nothing_is_said_where_nothing_was_passed_over(
    any_store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    any_store.write("a.jpg", b"x")
    assert listed(any_store) == ["a.jpg"]
    assert caplog.records == []


def test_what_is_hidden_can_be_set(filled: Store) -> None:
    assert listed(filled, ()) == sorted([*PICTURES[:4], *PASSED_OVER])
    assert listed(filled, ("LINE *", ".*", "[@_$#]*", "*d", "System*")) == [
        "a.jpg",
        "snapshot/d.png",
    ]


def test_an_input_may_lie_in_a_hidden_folder(filled: Store, s3: S3Settings) -> None:
    inside = open_store(f"{filled.uri}/.snapshot/daily.0", s3)
    assert listed(inside) == ["a.jpg", "line 1/b.JPG"]


def test_hidden_pictures_alone_are_none(any_store: Store) -> None:
    any_store.write("._a.jpg", b"x")
    with pytest.raises(EmptyInputError):
        listed(any_store)


def test_an_inventory_is_filtered_like_a_listing(
    filled: Store, s3: S3Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lines = [f'"{found.key}"' for found in filled.scan()]
    inventory = tmp_path / "keys.csv"
    inventory.write_text("\n".join(["key", *lines, ""]), encoding="utf-8")
    found = read_inventory(str(inventory), filled, INCLUDE, s3).whole()
    assert sorted(found["key"].to_pylist()) == sorted(PICTURES[:4])
    assert TOLD.format(9, filled.uri) in caplog.records[0].message
    found = read_inventory(str(inventory), filled, INCLUDE, s3, ()).whole()
    assert sorted(found["key"].to_pylist()) == listed(filled, ())


def test_pipes_and_devices_are_passed_over_and_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = open_store(str(tmp_path))
    store.write("a.png", b"x")
    os.mkfifo(tmp_path / "pipe.png")
    os.mkfifo(tmp_path / "pipe")  # no picture in any case
    (tmp_path / "device.png").symlink_to("/dev/null")
    assert listed(store) == ["a.png"]
    (record,) = caplog.records
    assert f"passed over 2 pipes, sockets or devices under {tmp_path}" in record.message


def test_a_hidden_folder_is_not_looked_into(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store(str(tmp_path))
    for key in ("a.png", "line 1/b.png", ".snapshot/daily.0/a.png", "line 1/@eaDir/b.png"):
        store.write(key, b"x")
    scandir, opened = os.scandir, []

    def note(folder: bytes) -> os.ScandirIterator[bytes]:
        opened.append(os.path.relpath(os.fsdecode(folder), tmp_path))
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", note)
    assert listed(store) == ["a.png", "line 1/b.png"]
    assert opened == [".", "line 1"]


def test_deep_folders_in_s3_are_filtered_as_well(s3: S3Settings, s3_address: str) -> None:
    # of more than one page, S3 is listed folder by folder
    store = open_store(s3_address, s3)
    for number in range(1_001):
        store.write(f".Trash-0/{number}.png", b"")
    store.write("line 1/a.png", b"x")
    assert listed(store) == ["line 1/a.png"]


def test_the_settings_have_these_names_by_default() -> None:
    assert ScoreSettings().exclude == HIDDEN
