"""File names as keys: nothing is lost, and no two names meet."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from steeldefect.stores.local import LocalStore
from steeldefect.stores.names import key_of, name_of

NAMES = st.one_of(
    st.binary(),
    st.text(alphabet="\\x5ce9f\u00e5/").map(str.encode),
    st.lists(st.sampled_from([b"\\", b"x5c", b"\\xe5", b"\xe5", b"\xc3\xa5", b"x"])).map(b"".join),
)


@given(NAMES, NAMES)
@example(b"pl\xe5t.jpg", rb"pl\xe5t.jpg")
@example(rb"pl\xe5t.jpg", rb"pl\x5cxe5t.jpg")
def test_every_name_has_a_key_of_its_own_that_leads_back(one: bytes, other: bytes) -> None:
    assert name_of(key_of(one)) == one
    assert key_of(one).encode("utf-8").decode("utf-8") == key_of(one)
    assert (key_of(one) == key_of(other)) == (one == other)


@pytest.mark.parametrize(
    "name", ["a.png", "Prüfung\u0308.png", "back\\slash.png", "c:\\x.jpg", "\\x41", "\\u00e5", "\\"]
)
def test_a_name_in_utf8_is_its_own_key(name: str) -> None:
    assert key_of(name.encode()) == name


def test_files_of_any_name_are_listed_and_read(tmp_path: Path) -> None:
    names = (
        b"pl\xe5t.jpg",
        rb"pl\xe5t.jpg",
        rb"pl\x5cxe5t.jpg",
        "plåt.jpg".encode(),
        b"\xff/\xfe.png",
    )
    for name in names:
        path = os.path.join(os.fsencode(tmp_path), name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        Path(os.fsdecode(path)).write_bytes(name)
    store = LocalStore(tmp_path)
    assert {store.read(found.key) for found in store.scan()} == set(names)
    assert [found.key for found in store.scan(r"\xff/")] == [r"\xff/\xfe.png"]
    store.write(r"\xff/new.png", b"beside the other")
    assert os.listdir(os.path.join(os.fsencode(tmp_path), b"\xff")) in (
        [b"\xfe.png", b"new.png"],
        [b"new.png", b"\xfe.png"],
    )
