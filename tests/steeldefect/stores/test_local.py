"""A local folder as a store, beyond the common contract."""

from __future__ import annotations

import errno
import os
import socket
import tempfile
import threading
from datetime import UTC
from pathlib import Path

import pytest

from steeldefect.errors import AlreadyExistsError, StoreError
from steeldefect.stores import walking
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


def test_a_link_whose_end_the_host_cannot_look_at_is_not_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as a link into a share that fails: its pictures must not be left out silently."""

    class Stale:
        name = b"line2"

        def is_dir(self) -> bool:
            raise OSError(errno.ESTALE, "Stale file handle")

    monkeypatch.setattr(walking.Walk, "_entries", lambda *_: [Stale()])
    with pytest.raises(StoreError, match=r"cannot list .*: Stale file handle"):
        list(LocalStore(tmp_path).scan())


def listed(folder: Path) -> list[str]:
    return [found.key for found in LocalStore(folder).scan()]


def test_linked_folders_are_entered_once(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "archive")
    store.write("line 1/a.png", b"x")
    LocalStore(tmp_path / "mounted").write("b.png", b"x")
    (tmp_path / "archive" / "line 2").symlink_to(tmp_path / "mounted")
    (tmp_path / "archive" / "round").symlink_to(tmp_path / "archive")
    assert listed(tmp_path / "archive") == ["line 1/a.png", "line 2/b.png"]


def test_a_link_to_a_real_folder_renames_nothing(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    for key in ("line1/a.png", "line1/deep/b.png", "line2/c.png"):
        store.write(key, b"x")
    before = listed(tmp_path)
    (tmp_path / "current").symlink_to(tmp_path / "line1")  # sorts before its target
    (tmp_path / "a deep link").symlink_to("line1/deep")
    (tmp_path / "line1" / "a up").symlink_to("..")
    assert listed(tmp_path) == before


def test_links_to_one_folder_give_it_the_first_of_their_names(tmp_path: Path) -> None:
    LocalStore(tmp_path / "mounted").write("sub/a.png", b"x")
    archive = tmp_path / "archive"
    (archive / "b").mkdir(parents=True)
    (archive / "b" / "x").symlink_to(tmp_path / "mounted")
    (archive / "c").symlink_to(tmp_path / "mounted")
    (archive / "d").symlink_to(tmp_path / "mounted" / "sub")
    assert listed(archive) == ["b/x/sub/a.png"]


def test_links_that_lead_to_each_other_end(tmp_path: Path) -> None:
    for name in ("one", "two"):
        LocalStore(tmp_path / name).write(f"{name}.png", b"x")
    (tmp_path / "one" / "other").symlink_to(tmp_path / "two")
    (tmp_path / "two" / "other").symlink_to(tmp_path / "one")
    assert listed(tmp_path / "one") == ["one.png", "other/two.png"]


def test_a_root_that_is_a_link_is_walked(tmp_path: Path) -> None:
    LocalStore(tmp_path / "real").write("line 1/a.png", b"x")
    (tmp_path / "archive").symlink_to(tmp_path / "real")
    (tmp_path / "real" / "all").symlink_to(tmp_path / "real")
    assert listed(tmp_path / "archive") == ["line 1/a.png"]


def test_a_name_that_is_not_utf8_is_listed_escaped(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"\xfcber.png")).write_bytes(b"x")
    (found,) = LocalStore(tmp_path).scan()
    assert found.key == r"\xfcber.png"
    assert found.key.encode("utf-8")
    assert LocalStore(tmp_path).read(found.key) == b"x"


def test_a_pipe_is_no_regular_file_and_reading_it_does_not_wait(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "link.png").symlink_to("pipe.png")
    (tmp_path / "null.png").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket.png"))
    store = LocalStore(tmp_path)
    assert {found.key: found.regular for found in store.scan()} == dict.fromkeys(
        ("link.png", "null.png", "pipe.png", "socket.png"), False
    )
    for found in store.scan():
        with pytest.raises(StoreError, match=f"cannot read {store.uri}/{found.key}: "):
            store.read(found.key)


@pytest.mark.parametrize("seconds", [-1, -(2**40), 2**40, 2**55])
def test_a_time_that_no_calendar_has_is_listed(seconds: int) -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as name:  # keeps any time
        LocalStore(Path(name)).write("a.png", b"x")
        os.utime(Path(name, "a.png"), (seconds, seconds))
        (found,) = LocalStore(Path(name)).scan()
    assert found.key == "a.png"
    assert found.modified.tzinfo is UTC


def test_what_cannot_be_looked_at_is_listed_and_cannot_be_read(
    tmp_path: Path,
) -> None:
    (tmp_path / "long.png").symlink_to("y" * 300)  # longer than names may be
    found = {one.key: one.etag for one in LocalStore(tmp_path).scan()}
    assert found["long.png"] == "unreadable"
    with pytest.raises(StoreError, match="File name too long"):
        LocalStore(tmp_path).read("long.png")


@pytest.mark.parametrize("key", ["../secret", "a/../../secret", "..", "\ud800", "\0"])
def test_no_key_leads_out_of_the_root(tmp_path: Path, key: str) -> None:
    (tmp_path / "secret").write_bytes(b"x")
    store = LocalStore(tmp_path / "root")
    for act in (store.read, store.delete, lambda key: store.write(key, b"y")):
        with pytest.raises(StoreError, match="is not the key of a file below"):
            act(key)
    assert (tmp_path / "secret").read_bytes() == b"x"


def test_a_share_that_keeps_its_own_rights_can_be_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(handle: int, mode: int) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "fchmod", refuse)  # as CIFS and FUSE mounts do
    store = LocalStore(tmp_path)
    store.write("a", b"x")
    store.write_new("b", b"y")
    assert (store.read("a"), store.read("b")) == (b"x", b"y")


def test_scanning_below_a_file_is_an_error(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    store.write("images", b"x")
    with pytest.raises(StoreError, match=r"cannot list .*/images: Not a directory"):
        list(store.scan("images/"))


def test_what_is_being_written_is_not_listed(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    store.write("a.png", b"x")
    (tmp_path / ".staged-0123").write_bytes(b"half")  # left by a killed process
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
