"""What a local folder as a store keeps to beyond the common contract."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from steeldefect.errors import AlreadyExistsError, StoreError
from steeldefect.stores.local import LocalStore


def test_naming_a_root_touches_nothing(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "none")
    assert list(store.scan()) == []
    assert not (tmp_path / "none").exists()


def test_the_address_is_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert LocalStore(Path("a/../b/.")).uri == str(tmp_path / "b")


def test_a_listing_goes_folder_by_folder_in_order(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    for key in ("b/2.png", "b/1.png", "a/x/1.png", "a/2.png", "c.png"):
        store.write(key, b"")
    found = [found.key for found in store.scan()]
    assert found == ["c.png", "a/2.png", "a/x/1.png", "b/1.png", "b/2.png"]


def test_a_root_that_is_no_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    store = LocalStore(tmp_path / "file")
    with pytest.raises(StoreError, match=r"cannot list .*/file: Not a directory"):
        list(store.scan())
    with pytest.raises(StoreError, match="cannot write"):
        store.write("key", b"")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read_is_no_empty_one(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    store.write("open/a.png", b"x")
    store.write("shut/b.png", b"x")
    (tmp_path / "shut").chmod(0)
    try:
        with pytest.raises(StoreError, match=r"cannot list .*/shut: Permission denied"):
            list(store.scan())
    finally:
        (tmp_path / "shut").chmod(0o700)


def test_a_link_that_leads_nowhere_is_listed_and_cannot_be_read(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    store.write("a.png", b"x")
    (tmp_path / "b.png").symlink_to(tmp_path / "none.png")
    (tmp_path / "c.png").symlink_to(tmp_path / "a.png")
    (tmp_path / "d.png").symlink_to(tmp_path / "d.png")
    assert [found.key for found in store.scan()] == ["a.png", "b.png", "c.png", "d.png"]
    for key in ("b.png", "d.png"):
        with pytest.raises(StoreError, match="cannot read"):
            store.read(key)


def test_linked_folders_are_entered_once(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "archive")
    store.write("line 1/a.png", b"x")
    LocalStore(tmp_path / "mounted").write("b.png", b"x")
    (tmp_path / "archive" / "line 2").symlink_to(tmp_path / "mounted")
    (tmp_path / "archive" / "round").symlink_to(tmp_path / "archive")
    assert [found.key for found in store.scan()] == ["line 1/a.png", "line 2/b.png"]


def test_a_name_that_is_not_utf8_is_listed_escaped(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"\xfcber.png")).write_bytes(b"x")
    (found,) = LocalStore(tmp_path).scan()
    assert found.key == r"\xfcber.png"
    assert found.key.encode("utf-8")


def test_what_is_being_written_is_not_listed(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    store.write("a.png", b"x")
    (tmp_path / ".staged-0123").write_bytes(b"half")  # as a process leaves it that was killed
    assert [found.key for found in store.scan()] == ["a.png"]


@pytest.mark.parametrize("write", ["write", "write_new"])
def test_a_folder_in_the_keys_place_is_refused_and_nothing_left_over(
    tmp_path: Path, write: str
) -> None:
    store = LocalStore(tmp_path)
    store.write("taken/file", b"x")
    with pytest.raises(StoreError, match="/taken"):
        getattr(store, write)("taken", b"y")
    with pytest.raises(StoreError, match="Is a directory"):
        store.read("taken")
    assert [found.key for found in store.scan()] == ["taken/file"]


def test_a_full_disk_is_an_error_and_leaves_nothing_behind() -> None:
    full = Path("/dev/full")  # every write to it fails as on a full disk
    if not full.exists():
        pytest.skip("no /dev/full")
    with pytest.raises(StoreError, match="cannot write"):
        LocalStore(full).write("key", b"x")


def test_files_can_be_read_by_others(tmp_path: Path) -> None:
    LocalStore(tmp_path).write("a", b"x")
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o644


def test_of_many_that_write_new_at_once_one_succeeds(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    won: list[int] = []
    for turn in range(20):
        ready = threading.Barrier(8)

        def write(
            number: int, key: str = f"record-{turn}", ready: threading.Barrier = ready
        ) -> None:
            ready.wait()
            try:
                store.write_new(key, str(number).encode())
            except AlreadyExistsError:
                return
            won.append(number)

        threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert store.read(f"record-{turn}") == str(won[-1]).encode()
        assert len(won) == turn + 1
