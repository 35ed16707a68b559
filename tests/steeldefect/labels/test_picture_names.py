"""Names in label files find their pictures, or the reason is given."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steeldefect.labels.picture_names import match_names

NFC, NFD = (unicodedata.normalize(form, "Prüfling.jpg") for form in ("NFC", "NFD"))


def found(
    names: Sequence[str], keys: Sequence[str], addresses: Sequence[str] | None = None
) -> dict[str, str]:
    matches = match_names(names, keys, addresses)
    assert not (matches.pictures.keys() & (matches.ambiguous.keys() | matches.clashing.keys()))
    return {name: keys[number] for name, number in matches.pictures.items()}


@pytest.mark.parametrize(
    ("names", "keys", "expected"),
    [
        (["a.jpg"], ["a.jpg", "b.jpg"], ["a.jpg"]),
        (["a.jpg"], ["day1/a.jpg"], ["day1/a.jpg"]),
        (["day1/a.jpg", "a.jpg"], ["day1/a.jpg", "day2/a.jpg"], ["day1/a.jpg", "day2/a.jpg"]),
        (["b.jpg", "day2/c.jpg"], ["b.jpg", "day2/b.jpg", "day2/c.jpg"], ["b.jpg", "day2/c.jpg"]),
        ([NFC], [NFD], [NFD]),
        ([NFD], ["day1/" + NFC], ["day1/" + NFC]),
        ([NFC, NFD], [NFD, NFC], [NFC, NFD]),  # two files: each name has its own
        (["A.JPG"], ["a.jpg"], ["a.jpg"]),
        (["STRASSE.JPG"], ["straße.jpg"], ["straße.jpg"]),
        (['"a.jpg"'], ["a.jpg"], ["a.jpg"]),
        (["\u00a0a.jpg\u200b"], ["a.jpg"], ["a.jpg"]),
        (["./a.jpg"], ["a.jpg"], ["a.jpg"]),
        (["images/a.jpg"], ["a.jpg"], ["a.jpg"]),
        (["C:\\data\\images\\a.jpg"], ["a.jpg"], ["a.jpg"]),
        (["day1\\a.jpg"], ["day1/a.jpg", "day2/a.jpg"], ["day1/a.jpg"]),
        (["x/day1/a.jpg", "x/day2/a.jpg"], ["day1/a.jpg", "day2/a.jpg"],
         ["day1/a.jpg", "day2/a.jpg"]),
        (["a"], ["a.jpg"], ["a.jpg"]),
        (["a.b"], ["a.b.tiff"], ["a.b.tiff"]),
        (["a.JPG", "A.jpg"], ["a.JPG", "A.jpg"], ["a.JPG", "A.jpg"]),
    ],
)  # fmt: skip
def test_names_that_find_a_picture(names: list[str], keys: list[str], expected: list[str]) -> None:
    assert found(names, keys) == dict(zip(names, expected, strict=True))


def test_names_may_be_whole_addresses() -> None:
    keys, addresses = ["a.jpg", "a.jpg"], ["s3://b/one/a.jpg", "s3://b/two/a.jpg"]
    assert match_names(["s3://b/two/a.jpg"], keys, addresses).pictures == {"s3://b/two/a.jpg": 1}
    assert match_names(["one/a.jpg"], keys, addresses).pictures == {"one/a.jpg": 0}
    assert match_names(["a.jpg"], keys, addresses).ambiguous == {"a.jpg": (0, 1)}


@pytest.mark.parametrize(
    ("names", "keys", "why"),
    [
        (["a.jpg"], ["day1/a.jpg", "day2/a.jpg"], {"a.jpg": "fits 'day1/a.jpg' or 'day2/a.jpg'"}),
        (["b.jpg"], ["b.jpg", "day2/b.jpg"], {"b.jpg": "fits 'b.jpg' or 'day2/b.jpg'"}),
        (["A.JPG"], ["a.jpg", "A.jpg"], {"A.JPG": "fits 'a.jpg' or 'A.jpg'"}),
        (["a"], ["a.jpg", "a.png"], {"a": "fits 'a.jpg' or 'a.png'"}),
        (["a.jpg", "A.JPG"], ["a.jpg"], {"A.JPG": "means the same picture as 'a.jpg'"}),
        (["a.jpg", "a"], ["a.jpg"], {"a": "means the same picture as 'a.jpg'"}),
        (["A.jpg", "a.JPG"], ["a.jpg"], {"A.jpg": "means the same picture as 'a.JPG'",
                                         "a.JPG": "means the same picture as 'A.jpg'"}),
        (["a.png"], ["a.jpg"], {"a.png": "is 'a.jpg' meant?"}),
        (["strip-1.jpg"], ["strip_0001.jpg"], {"strip-1.jpg": "is 'strip_0001.jpg' meant?"}),
        (["u/a.jpg", "v/b.jpg"], ["a.jpg", "b.jpg"], {"u/a.jpg": "is 'a.jpg' meant?",
                                                      "v/b.jpg": "is 'b.jpg' meant?"}),
        (["other.jpg"], ["a.jpg"], {"other.jpg": ""}),
    ],
)  # fmt: skip
def test_names_that_do_not(names: list[str], keys: list[str], why: dict[str, str]) -> None:
    matches = match_names(names, keys)
    assert {name: matches.explain(name, keys) for name in why} == why
    assert set(names) - matches.pictures.keys() == set(why)
    meant = {key for key in keys for words in why.values() if repr(key) in words}
    assert {keys[number] for number in matches.doubtful} >= meant - set(matches.pictures)


def test_folders_count_where_names_fit_by_them() -> None:
    addresses = ["/archive/day1/a.jpg", "/archive/day1/b.jpg"]
    matches = match_names(["day1/a.jpg", "day2/b.jpg"], ["a.jpg", "b.jpg"], addresses)
    assert matches.pictures == {"day1/a.jpg": 0}  # b.jpg of day2 is another picture
    assert matches.doubtful == set()


NAMES = st.lists(st.text("aAbB.-_01/\\ üj", min_size=1, max_size=8), max_size=8)


@given(names=NAMES, keys=st.lists(st.text("aAbB.-_01/ü", min_size=1, max_size=8), unique=True))
def test_no_picture_is_given_twice_and_a_key_with_folder_finds_itself(
    names: list[str], keys: list[str]
) -> None:
    matches = match_names(names, keys)
    assert len(set(matches.pictures.values())) == len(matches.pictures)
    for name, number in matches.pictures.items():
        if name in keys and "/" in name.removeprefix("./"):
            assert keys[number] == name
