"""Files that users name are written completely, and replace a file only if that is requested."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from steeldefect.errors import AlreadyExistsError, StoreError
from steeldefect.program.new_files import Existing, new_file


def write(path: Path, text: str, existing: Existing = Existing.KEEP) -> None:
    with new_file(path, existing) as staged:
        staged.write_text(text)


def test_a_new_file_in_a_new_folder(tmp_path: Path) -> None:
    file = tmp_path / "a/b/c.txt"
    before = os.umask(0o027)
    try:
        write(file, "text")
    finally:
        os.umask(before)
    assert file.read_text() == "text"
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert [path.name for path in file.parent.iterdir()] == ["c.txt"]


def test_a_file_that_is_there_is_kept(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_text("before")
    with pytest.raises(AlreadyExistsError, match=r"a\.txt exists; name another file"):
        write(file, "after")
    assert file.read_text() == "before"
    write(file, "after", Existing.REPLACE)
    assert file.read_text() == "after"


def test_a_file_that_came_in_between_is_kept(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"

    def write_slowly() -> None:
        with new_file(file) as staged:
            staged.write_text("mine")
            file.write_text("another program's")

    with pytest.raises(AlreadyExistsError):
        write_slowly()
    assert file.read_text() == "another program's"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


@pytest.mark.parametrize("existing", Existing)
def test_work_that_fails_leaves_all_as_it_was(tmp_path: Path, existing: Existing) -> None:
    file = tmp_path / "a.txt"
    if existing is Existing.REPLACE:
        file.write_text("before")
    before = list(tmp_path.iterdir())

    def fail() -> None:
        with new_file(file, existing) as staged:
            staged.write_text("half")
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert list(tmp_path.iterdir()) == before
    assert all(path.read_text() == "before" for path in before)


@pytest.mark.parametrize("existing", Existing)
@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo])
def test_what_is_no_file_is_never_replaced(
    tmp_path: Path, make: object, existing: Existing
) -> None:
    place = tmp_path / "place"
    make(place)  # type: ignore[operator]
    with pytest.raises(StoreError, match="it is not a regular file"):
        write(place, "text", existing)
    assert not place.is_file()


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("before")
    link = tmp_path / "link"
    link.symlink_to("file")
    with pytest.raises(AlreadyExistsError):
        write(link, "after")
    write(link, "after", Existing.REPLACE)
    assert link.is_symlink()
    assert (tmp_path / "file").read_text() == "after"
